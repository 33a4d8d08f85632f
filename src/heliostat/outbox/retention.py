"""Deleting what came to an end long ago, in short transactions: callbacks, their attempts, then events without any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, QuerySet

from heliostat.outbox.dialect import ATTEMPT, CALLBACK, EVENT, Dialect, dialect_for
from heliostat.outbox.models import Attempt, Callback, Event
from heliostat.outbox.transitions import ENDED

BATCH = 1000
LOOKED_UP = 100_000  # events for nobody: each look costs MariaDB time for all that there are
EVENT_ID = Event._meta.pk


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows of each kind."""

    callbacks: int = 0
    attempts: int = 0
    events: int = 0

    def __add__(self, other: Rows) -> Rows:
        return Rows(self.callbacks + other.callbacks, self.attempts + other.attempts, self.events + other.events)


def count_ended(before: datetime, using: str) -> Rows:
    """What `delete_ended` would delete now."""
    old = _ended(before, using)
    callbacks = Callback.objects.using(using).filter(event=OuterRef("pk"))
    events = Event.objects.using(using).filter(Exists(callbacks.filter(status__in=ENDED, created_at__lt=before)))
    events = events.exclude(Exists(callbacks.exclude(status__in=ENDED, created_at__lt=before)))
    attempts = Attempt.objects.using(using).filter(callback__in=old)
    return Rows(old.count(), attempts.count(), events.count() + _for_nobody(before, using).count())


def delete_ended(before: datetime, using: str) -> Iterator[Rows]:
    """Delete callbacks that were created before this time and came to an end; yields what each batch deleted.

    Events of that age that nobody asked for go with them: other programs write down whatever happens.
    Each batch is a transaction of its own; what a worker or a person holds at the moment is left for another day.
    """
    last = 0
    while ids := _next_ids(before, last, using):
        yield _delete_batch(before, ids, using)
        last = ids[-1]
    yield from _delete_for_nobody(before, using)


def _ended(before: datetime, using: str) -> QuerySet[Callback]:
    return Callback.objects.using(using).filter(status__in=ENDED, created_at__lt=before).order_by("id")


def _next_ids(before: datetime, last: int, using: str) -> list[int]:
    """The next batch. It goes on where the last one ended: what was just deleted is not looked at again."""
    return list(_ended(before, using).filter(pk__gt=last).values_list("pk", flat=True)[:BATCH])


def _delete_batch(before: datetime, ids: Sequence[int], using: str) -> Rows:
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        # Looked at again under a lock: somebody may have asked in between that one be sent again.
        locked = _ended(before, using).filter(pk__in=ids).select_for_update(skip_locked=_can_skip(using))
        found = list(locked.values_list("pk", "event_id"))
        if not found:
            return Rows()
        return _delete(cursor, dialect_for(using), [pk for pk, _ in found], [event for _, event in found])


def _for_nobody(before: datetime, using: str) -> QuerySet[Event]:
    asked_for = Callback.objects.using(using).filter(event=OuterRef("pk"))
    return Event.objects.using(using).filter(~Exists(asked_for), matched=True, created_at__lt=before).order_by("id")


def _delete_for_nobody(before: datetime, using: str) -> Iterator[Rows]:
    keys = _for_nobody(before, using).values_list("pk", flat=True)
    found = list(keys[:LOOKED_UP])
    while found:
        for start in range(0, len(found), BATCH):
            with connections[using].cursor() as cursor:
                deleted = _delete_events(cursor, dialect_for(using), found[start : start + BATCH])
            yield Rows(events=deleted)
        found = list(keys.filter(pk__gt=found[-1])[:LOOKED_UP])


def _can_skip(using: str) -> bool:
    return connections[using].features.has_select_for_update_skip_locked


def _delete(cursor: Any, dialect: Dialect, ids: Sequence[int], events: Sequence[UUID]) -> Rows:
    return Rows(
        attempts=_delete_rows(cursor, dialect, ATTEMPT, "callback_id", ids),
        callbacks=_delete_rows(cursor, dialect, CALLBACK, "id", ids),
        events=_delete_events(cursor, dialect, events),
    )


def _delete_events(cursor: Any, dialect: Dialect, events: Sequence[UUID]) -> int:
    """Those that have no callbacks left."""
    connection = connections[dialect.using]
    keys = [EVENT_ID.get_db_prep_value(one, connection) for one in set(events)]
    alone = f" AND NOT EXISTS (SELECT 1 FROM {CALLBACK} c WHERE c.event_id = {EVENT}.id)"
    return _delete_rows(cursor, dialect, EVENT, "id", keys, alone)


def _delete_rows(cursor: Any, dialect: Dialect, table: str, column: str, keys: Sequence[Any], unless: str = "") -> int:
    cursor.execute(f"DELETE FROM {table} WHERE {dialect.among(column, keys)}{unless}", dialect.keys(keys))
    return int(cursor.rowcount)
