"""Arguments of hook points on their way through the outbox: objects as snapshots, everything else as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from heliostat.events.event import Event
from heliostat.events.snapshot import rebuilt, snapshot
from heliostat.events.types import resource_of

MARK = "heliostat.object"


def packed(value: Any) -> Any:
    if isinstance(value, models.Model):
        return {MARK: resource_of(type(value)), "fields": snapshot(value)}
    if isinstance(value, (list, tuple, set, models.QuerySet)):
        return [packed(item) for item in value]
    return value


def unpacked(value: Any, using: str) -> Any:
    if isinstance(value, dict) and MARK in value:
        return rebuilt(value[MARK], value["fields"], using)
    if isinstance(value, list):
        return [unpacked(item, using) for item in value]
    return value


def live_arguments(event: Event) -> Mapping[str, Any]:
    """The arguments of `run_hook`: the very same in its own process, rebuilt in a worker."""
    if event.instance is not None:
        return event.instance  # type: ignore[no-any-return]
    return {name: unpacked(value, event.using) for name, value in event.arguments.items()}
