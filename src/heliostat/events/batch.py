"""`batch()`: several steps that are one happening."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import transaction

from heliostat.events.databases import home
from heliostat.events.dispatch import dispatch
from heliostat.events.event import Event
from heliostat.events.types import ACTIONS

Key = tuple[str, str] | UUID


class Batch:
    """The events of a block. Creation and changes of one object become one event."""

    def __init__(self, using: str) -> None:
        self.connection = transaction.get_connection(using)
        self._events: list[tuple[Callable[[], None], Event]] = []

    def add(self, event: Event) -> None:
        """Remembered with a mark that Django forgets should a savepoint around it be rolled back."""
        self._events.append((mark := lambda: None, event))
        self.connection.on_commit(mark)

    def take(self) -> list[Event]:
        """What happened, and was not undone inside the block."""
        stands = {entry[1] for entry in self.connection.run_on_commit}
        return _united(event for mark, event in self._events if mark in stands)


def _united(events: Iterable[Event]) -> list[Event]:
    found: dict[Key, Event] = {}
    for event in events:
        if event.action not in ACTIONS or event.object_id is None:
            found[event.id] = event
            continue
        key = (event.resource, event.object_id)
        earlier = found.get(key)
        if earlier is None or earlier.action == "deleted":
            found[key] = event
        elif event.action == "deleted":
            del found[key]
            if earlier.action != "created":  # created and deleted in one go never was
                found[key] = event
        else:
            found[key] = _merged(earlier, event)
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
        with _collecting(using) as collected:
            yield
        dispatch(collected.take(), using)


@contextmanager
def _collecting(using: str) -> Iterator[Batch]:
    opened = Batch(using)
    token = _batches.set({**_batches.get(), using: opened})
    try:
        yield opened
    finally:
        _batches.reset(token)


def current_batch(using: str) -> Batch | None:
    """The one that is open in this thread. Another, begun with a copy of the context, has a transaction of its own."""
    found = _batches.get().get(using)
    return found if found and found.connection is transaction.get_connection(using) else None
