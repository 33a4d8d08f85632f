"""Deliverers as a project would write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer, Response, WorkerHooksDeliverer
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

notified: list[Any] = []


class Collection(HooksDeliverer):
    def dump_payload(self, payload: Any) -> str:
        notified.append(("dumped", payload["object_id"]))
        return f"dumped: {payload['object_id']}"

    def after_deliver(self, hooks: list[Hook]) -> None:
        notified.append(("delivered", [hook.name for hook in hooks]))


class Dumping(WorkerHooksDeliverer):
    def dump_payload(self, payload: Any) -> bytes:
        return b"as bytes"


class FailingDump(WorkerHooksDeliverer):
    def dump_payload(self, payload: Any) -> str:
        raise ValueError("no idea how")


class Element(HookDeliverer):
    def after_deliver(self, response: Response) -> None:
        notified.append((response.status_code, response.url))
        if response.status_code in [404, 410]:
            Hook.objects.filter(target=response.url).delete()


class NewsFromElement(HookDeliverer):
    def after_deliver(self, response: Response) -> None:
        Vehicle.objects.create(name="notified of")


class FailingElement(HookDeliverer):
    def after_deliver(self, response: Response) -> None:
        raise ValueError("not my day")


deliver_collection = Collection.deliver
deliver_dumping = Dumping.deliver
deliver_with_failing_dump = FailingDump.deliver
deliver_element = Element.deliver
deliver_with_failing_element = FailingElement.deliver
deliver_and_make_news = NewsFromElement.deliver
nothing_to_call = "not a deliverer"


def deliver_one(callback: int, using: str) -> None:
    """An element's deliverer that is a plain function."""
    notified.append(("one", using))
    Element.deliver(callback, using)


def break_down(callbacks: Sequence[int], using: str) -> None:
    raise RuntimeError("out of order")


def make_news(callbacks: Sequence[int], using: str) -> None:
    """A queue in the database might be an object of a model that is hooked."""
    Vehicle.objects.using(using).create(name="task")
