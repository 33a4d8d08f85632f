"""Writing promises: event and callback rows, in the transaction of the change.

A fixed number of statements, however many subscribers matched: one for the events, one for the callbacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

from django.db import connections, transaction
from django.utils import timezone

from heliostat.events.event import Event
from heliostat.events.matching import Subscription
from heliostat.events.telling import Told
from heliostat.outbox import wakeup
from heliostat.outbox.bodies import body_of, context_of
from heliostat.outbox.models import Callback, Status
from heliostat.outbox.models import Event as EventRow

EVENT = EventRow._meta.db_table
CALLBACK = Callback._meta.db_table
ROWS_AT_ONCE = 1000  # databases bound the parameters of a statement


def write(told: Sequence[Told], using: str) -> None:
    """Promise to tell each of these subscribers of each of these events."""
    uuid, time = _adapters(using)
    events = [_event_row(event, uuid, time) for event, _ in told]
    promises = [row for event, found in told for row in _promise_rows(uuid(event.id), event, found)]
    now = time(timezone.now())
    with transaction.atomic(using=using, savepoint=False), connections[using].cursor() as cursor:
        for rows in _chunks(events):
            cursor.execute(_insert_events(len(rows)), list(chain(*rows)))
        for rows in _chunks(promises):
            cursor.execute(_insert_callbacks(len(rows)), [*chain(*rows), now, now, now])
        wakeup.wake_after_commit(using)


def _event_row(event: Event, uuid: Any, time: Any) -> tuple[Any, ...]:
    body, context = body_of(event), context_of(event)
    return (uuid(event.id), event.resource, event.action, event.object_id, body, context, time(event.time))


def _promise_rows(event_id: Any, event: Event, subscriptions: Sequence[Subscription]) -> list[tuple[Any, ...]]:
    return [(event_id, one.name, one.body(event) if one.body else None) for one in subscriptions]


@cache
def _adapters(using: str) -> tuple[Any, Any]:
    operations, features = connections[using].ops, connections[using].features
    uuid = (lambda value: value) if features.has_native_uuid_field else (lambda value: value.hex)
    return uuid, operations.adapt_datetimefield_value


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    return (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))


@cache
def _insert_events(count: int) -> str:
    columns = "id, resource, action, object_id, body, context, created_at"
    return f"INSERT INTO {EVENT} ({columns}) VALUES {_rows(count, 7)}"


@cache
def _insert_callbacks(count: int) -> str:
    """Only what differs from row to row is a parameter: with many hooks, parameters are what costs."""
    columns = "event_id, subscriber, body, status, status_details, attempts, due_at, created_at, updated_at"
    same = f"'{Status.WAITING.value}', '', 0, %s, %s, %s"
    promises = f"WITH promise (event_id, subscriber, body) AS (VALUES {_rows(count, 3)})"
    return f"INSERT INTO {CALLBACK} ({columns}) {promises} SELECT event_id, subscriber, body, {same} FROM promise"


def _rows(count: int, width: int) -> str:
    return ", ".join([f"({', '.join(['%s'] * width)})"] * count)
