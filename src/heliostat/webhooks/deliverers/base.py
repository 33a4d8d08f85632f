"""Deliverers: who tells hooks of what was just committed, and when.

Whichever is chosen, the callbacks are in the outbox before a deliverer hears of them, and a worker claims, retries and
rescues whatever it leaves behind. A deliverer decides only who sends first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heliostat.delivery import courier
from heliostat.events.databases import home
from heliostat.outbox.bodies import to_json
from heliostat.outbox.summary import subscribers_of

if TYPE_CHECKING:
    from heliostat.webhooks.models import Hook


@dataclass(frozen=True, slots=True)
class Response:
    """What a receiver answered: its status, the address that was asked, and the beginning of the body."""

    status_code: int
    url: str
    text: str
    callback: int


class HooksDeliverer:
    """Tells all hooks of what one transaction changed, each by the element deliverer.

    Subclass it, override what you like, and name its `deliver` in `HOOK_COLLECTION_DELIVERER`:
    `custom_deliver_hooks = MyCollectionDeliverer.deliver`.
    """

    def dump_payload(self, payload: Any) -> str | bytes:
        """The body for a payload that is no text yet. Called inside the transaction of the change.

        What is given is plain: dicts, lists, texts, numbers. Should it raise, that is logged and JSON is sent.
        """
        return to_json(payload, "the payload")

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        """Have these callbacks of the outbox told. Called after their commit."""
        from heliostat.webhooks.deliverers.configured import element_deliverer

        tell = element_deliverer()
        if _sends_here(tell):
            courier.send(callbacks, using)  # all at once, instead of one after the other
            return
        for callback in callbacks:
            tell(callback, using)

    def after_deliver(self, hooks: list[Hook]) -> None:
        """Called when these hooks were told, or were handed to whoever tells them."""

    @classmethod
    def problem(cls) -> str:
        """What would keep it from working, for the system checks; empty where nothing does."""
        return ""

    @classmethod
    def deliver(cls, callbacks: Sequence[int], using: str | None = None) -> None:
        """What the setting names: called after a commit with the ids of its callbacks, at most 500 at once."""
        deliverer, using = cls(), using or home()
        deliverer.deliver_hooks(callbacks, using)
        if cls.after_deliver is not HooksDeliverer.after_deliver:
            deliverer.after_deliver(_hooks_of(callbacks, using))


class WorkerHooksDeliverer(HooksDeliverer):
    """Leaves all to the worker, which the commit wakes."""

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        pass


class HookDeliverer:
    """Tells one hook, here and now.

    Subclass it, override what you like, and name its `deliver` in `HOOK_ELEMENT_DELIVERER`:
    `custom_deliver_hook = MyDeliverer.deliver`.
    """

    def deliver_hook(self, callback: int, using: str) -> None:
        """Have this callback of the outbox told."""
        courier.send([callback], using)

    def after_deliver(self, response: Response) -> None:
        """Called with every answer of a receiver, whoever sent it (a worker too), after it was written down.

        Keep it short: whoever sends waits for it.
        """

    @classmethod
    def problem(cls) -> str:
        """What would keep it from working, for the system checks; empty where nothing does."""
        return ""

    @classmethod
    def deliver(cls, callback: int, using: str | None = None) -> None:
        """What the setting names: called with the id of a callback."""
        cls().deliver_hook(callback, using or home())


def class_of(deliver: Callable[..., Any]) -> type[Any] | None:
    """The class whose `deliver` this is; None for a function."""
    owner = getattr(deliver, "__self__", None)
    return owner if isinstance(owner, type) else None


def _sends_here(tell: Callable[[int, str], Any]) -> bool:
    owner = class_of(tell)
    return owner is not None and getattr(owner, "deliver_hook", None) is HookDeliverer.deliver_hook


def _hooks_of(callbacks: Sequence[int], using: str) -> list[Hook]:
    from heliostat.webhooks.models import Hook, hook_of

    ids = [hook_of(subscriber) for subscriber in subscribers_of(list(callbacks), using)]
    return list(Hook.objects.filter(pk__in=ids))
