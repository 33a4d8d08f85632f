"""The signal of custom events: `hook_event.send(sender=Vehicle, instance=bus, action="crashed", payload={})`."""

from __future__ import annotations

from typing import Any

from django.dispatch import Signal

from heliostat.events.publish import emit

hook_event = Signal()
"""Publish a custom event: `hook_event.send(sender=Vehicle, instance=bus, action="crashed", payload={})`."""


def publish_hook_event(instance: Any, action: str = "changed", payload: Any = None, **_: Any) -> None:
    """Publish an event, as `heliostat.emit(action, instance, payload=payload)` does; without an action `changed`."""
    emit(action, instance, payload=payload)
