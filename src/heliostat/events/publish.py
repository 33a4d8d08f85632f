"""Publishing: the events of saves, `emit()` for events that are no save, `batch()` for several steps as one change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import models, transaction
from django.utils.functional import LazyObject

from heliostat.conf import LONGEST_EVENT_TYPE
from heliostat.events import context
from heliostat.events.databases import database_of, home
from heliostat.events.dispatch import Served, dispatch
from heliostat.events.event import NOTHING, Event
from heliostat.events.matching import registry
from heliostat.events.snapshot import public_key, snapshot, stored
from heliostat.events.transactions import is_lost, one_transaction, ours
from heliostat.events.types import ACTIONS, resource_of
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
    `using` is the database; where its open transaction is broken, nothing is published, as nothing can be committed.
    Raise `ConfigurationError` if this names no event type.
    """
    instance = real_object(instance)
    model = type(instance) if isinstance(instance, models.Model) else None
    resource, _, action = (resource_of(model), "", event) if model else event.rpartition(".")
    is_name = resource and action and len(event) <= LONGEST_EVENT_TYPE and event.isprintable()
    if not is_name or not (model or instance is None):
        raise ConfigurationError(
            f"emit({event!r}, {instance!r}) names no event: give an action and a saved object, or a whole type such as "
            f"'weather.station.storm' and no object; either has at most {LONGEST_EVENT_TYPE} printable characters."
        )
    if not has_subscribers_of_type(f"{resource}.{action}"):
        return
    using = using or (database_of(instance) if model else home())
    if is_lost(using):
        return
    facts: dict[str, Any] = {"payload": payload, "arguments": arguments}
    if model:
        row = stored(model, instance.pk, using)  # what the object holds in memory may never be saved
        built = build_event(action, instance, using, snapshot=snapshot(instance) if row is None else row, **facts)
    else:
        built = Event(resource=resource, action=action, using=using, **context.facts(event), **facts)
    with one_transaction(using):
        publish([built], using)


def real_object(value: Any) -> Any:
    """Return the object that a lazy one stands for: `request.user` is a `SimpleLazyObject`, whose type is no model."""
    if isinstance(value, LazyObject):
        value.__class__  # noqa: B018  makes it
        return value._wrapped
    return value


def has_subscribers_of_type(event_type: str) -> bool:
    """Return whether such an event has subscribers, now and here."""
    return not context.is_quiet() and bool(registry.matcher.patterns.found(event_type))


def build_event(
    action: str, instance: models.Model, using: str, model: type[models.Model] | None = None, **facts: Any
) -> Event:
    """Return an event of an object, or of its part in a parent model, with who did it and in which request."""
    model = model or type(instance)
    resource = resource_of(model)
    return Event(
        resource=resource,
        action=action,
        object_id=public_key(instance, model),
        instance=instance,
        using=using,
        **context.facts(f"{resource}.{action}"),
        **facts,
    )


def publish(events: list[Event], using: str, served: Served | None = None) -> None:
    """Dispatch events to their subscribers now, or at the end of the batch that is open.

    `served` is kept from call to call where the events of one change are published one by one; see `dispatch`.
    """
    if (batch := current_batch(using)) is not None:
        for event in events:
            batch.add(event)
    elif events:
        with ours(using):
            dispatch(events, using, served)


class Batch:
    """The events of a block. Creation and changes of one object become one event."""

    def __init__(self, using: str) -> None:
        self.connection = transaction.get_connection(using)
        self._events: list[tuple[Callable[[], None], Event]] = []

    def add(self, event: Event) -> None:
        """Remember an event, with a mark that Django forgets where a savepoint around it is rolled back."""
        self._events.append((mark := lambda: None, event))
        self.connection.on_commit(mark)

    def take(self) -> list[Event]:
        """Return what happened and was not undone inside the block, one event for each object."""
        stands = {entry[1] for entry in self.connection.run_on_commit}
        found: dict[tuple[str, str] | UUID, Event] = {}
        for event in [event for mark, event in self._events if mark in stands]:
            if event.action not in ACTIONS or event.object_id is None:
                found[event.id] = event
                continue
            key = (event.resource, event.object_id)
            earlier = found.get(key)
            if earlier is None or earlier.action == "deleted":
                found[key] = event
            elif event.action != "deleted":
                found[key] = _merged(earlier, event)
            else:
                del found[key]
                if earlier.action != "created":  # an object that is created and deleted in one batch has no event
                    found[key] = event
        return list(found.values())


def _merged(earlier: Event, later: Event) -> Event:
    changes: dict[str, tuple[Any, Any]] = dict(earlier.changes)
    for name, (old, new) in later.changes.items():
        changes[name] = (changes[name][0] if name in changes else old, new)
    if earlier.action == "created":
        changes = {}
    snapshot = {**earlier.snapshot, **later.snapshot}  # a change of relations says more than a row does
    unchanged = {name for name, (old, new) in changes.items() if old == new}
    return replace(
        later,
        id=earlier.id,
        action=earlier.action,
        origin=earlier.origin,
        snapshot=snapshot,
        changes={name: change for name, change in changes.items() if name not in unchanged},
    )


_batches: ContextVar[dict[str, Batch]] = ContextVar("heliostat_batches", default={})  # noqa: B039  never changed


@contextmanager
def batch(using: str | None = None) -> Iterator[None]:
    """Group the changes of a block: one transaction, and one event for each changed object, at the end.

    A target that is created with its aliases and extra fields has one event `created`, which contains them. A nested
    batch is part of the outer one. `using` is the database of the changes (default: the home of the outbox).
    """
    using = using or home()
    if current_batch(using) is not None:
        with transaction.atomic(using=using):
            yield
        return
    with transaction.atomic(using=using):
        opened = Batch(using)
        token = _batches.set({**_batches.get(), using: opened})
        try:
            yield
        finally:
            _batches.reset(token)
        dispatch(opened.take(), using, is_batch=True)


def current_batch(using: str) -> Batch | None:
    """Return the batch that is open in this thread; one of another thread has a transaction of its own."""
    found = _batches.get().get(using)
    return found if found and found.connection is transaction.get_connection(using) else None
