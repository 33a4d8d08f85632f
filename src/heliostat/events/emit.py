"""`emit()`: publish an event that is no save."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.utils.functional import LazyObject

from heliostat.conf import LONGEST_EVENT_TYPE
from heliostat.events import context
from heliostat.events.capture import build_event, publish
from heliostat.events.databases import database_of, home
from heliostat.events.event import NOTHING, Event
from heliostat.events.matching import registry
from heliostat.events.snapshot import snapshot, stored
from heliostat.events.transactions import one_transaction
from heliostat.events.types import resource_of
from heliostat.exceptions import ConfigurationError


def emit(
    event: str,
    instance: Any = None,
    *,
    payload: Any = None,
    arguments: Mapping[str, Any] = NOTHING,
    using: str | None = None,
) -> None:
    """Publish a custom event: `emit("crashed", bus, payload={…})`.

    With an object, `event` is the action; without one, it is the event type (`"weather.station.storm"`). Webhooks send
    `payload` as the body; `arguments` are facts beside the object. If a transaction is open, the event is part of it.
    `using` is the database. Raise `ConfigurationError` if this names no event type.
    """
    instance = real_object(instance)
    if isinstance(instance, models.Model):
        alias = using or database_of(instance)
        if has_subscribers_of_type(f"{resource_of(type(instance))}.{event}"):
            row = stored(type(instance), instance.pk, alias)  # what the object holds in memory may never be saved
            facts = {"snapshot": snapshot(instance) if row is None else row, "payload": payload, "arguments": arguments}
            _publish_atomically(build_event(event, instance, alias, **facts), alias)
    elif has_subscribers_of_type(_whole_type(event, instance)):
        alias = using or home()
        _publish_atomically(_without_object(event, alias, payload=payload, arguments=arguments), alias)


def real_object(value: Any) -> Any:
    """Return the object that a lazy one stands for: `request.user` is a `SimpleLazyObject`, whose type is no model."""
    if isinstance(value, LazyObject):
        value.__class__  # noqa: B018  makes it
        return value._wrapped
    return value


def has_subscribers_of_type(event_type: str) -> bool:
    """Return whether such an event has subscribers, now and here."""
    return not context.is_quiet() and registry.matcher.has_subscribers_of_type(event_type)


def _whole_type(event: str, instance: Any) -> str:
    resource, _, action = event.rpartition(".")
    if resource and action and instance is None and len(event) <= LONGEST_EVENT_TYPE and event.isprintable():
        return event
    raise ConfigurationError(
        f"emit({event!r}, {instance!r}) names no event: give an action and a saved object, or a whole type such as "
        f"'weather.station.storm' and no object, of at most {LONGEST_EVENT_TYPE} printable characters."
    )


def _without_object(event_type: str, using: str, **facts: Any) -> Event:
    resource, _, action = event_type.rpartition(".")
    return Event(
        resource=resource,
        action=action,
        using=using,
        actor=context.current_actor(),
        request=context.current_request(),
        depth=context.current_depth(event_type),
        **facts,
    )


def _publish_atomically(event: Event, using: str) -> None:
    with one_transaction(using):
        publish([event], using)
