"""Hooks of the payload tests, and their callbacks."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.models import ContentType

from heliostat.outbox.models import Callback, Status
from heliostat.outbox.problems import IS_THE_SITES
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

URL = "https://receiver.example.com/"


def hook(model: type = Vehicle, **options: Any) -> Hook:
    return Hook.objects.create(model=ContentType.objects.get_for_model(model), target=URL, **options)


def callback_bodies(using: str = "default") -> list[str | None]:
    """The bodies of all callbacks, in order; None where it is the event's own."""
    assert problems(using) == []
    return list(Callback.objects.using(using).order_by("id").values_list("body", flat=True))


def problems(using: str = "default") -> list[str]:
    """Why callbacks could not be rendered, in order: they are errors, with the reason, and have no body."""
    failed = list(Callback.objects.using(using).exclude(render_error="").order_by("id"))
    assert {(one.status, one.body) for one in failed} <= {(Status.ERROR, None)}
    assert all(one.status_details == one.render_error or IS_THE_SITES in one.status_details for one in failed)
    return [one.render_error for one in failed]
