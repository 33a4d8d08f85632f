"""Writing promises: event and callback rows, in the transaction of the change.

A fixed number of statements, however many subscribers matched: at most one for events and one for callbacks.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db import connections, transaction

from heliostat.events.event import Event
from heliostat.events.matching import Subscription
from heliostat.events.telling import Told
from heliostat.outbox import handover, wakeup
from heliostat.outbox.bodies import body_of, bounded, context_of
from heliostat.outbox.databases import explained, has_outbox
from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.lanes import lane_of
from heliostat.outbox.models import Event as EventRow

Promise = tuple[Any, ...]
LONGEST_KEY = EventRow._meta.get_field("object_id").max_length


def write(told: Sequence[Told], using: str) -> None:
    """Promise to tell each of these subscribers of each of these events, where this database has an outbox."""
    if not has_outbox(using):
        return
    uuid, time = _adapters(using)
    events = [_event_row(event, uuid, time) for event, _ in told]
    promises = [row for event, found in told for row in promises_of(event, found, using)]
    with transaction.atomic(using=using, savepoint=False), connections[using].cursor() as cursor:
        with explained(using):
            dialect_for(using).promise(cursor, events, promises)
        wakeup.ring_after_commit(using)
        handover.after_commit(told, using)


def _event_row(event: Event, uuid: Any, time: Any) -> tuple[Any, ...]:
    body, context = body_of(event), context_of(event)
    object_id = event.object_id and event.object_id[:LONGEST_KEY]  # to find it by; the body has it whole
    return (uuid(event.id), event.resource, event.action, object_id, body, context, time(event.time))


def promises_of(event: Event, subscriptions: Sequence[Subscription], using: str) -> list[Promise]:
    """What is promised to these subscribers of an event, as rows."""
    event_id = _adapters(using)[0](event.id)
    return [
        (event_id, one.name, lane_of(event) if one.ordered else None, _own_body(event, one)) for one in subscriptions
    ]


def promise(cursor: Any, promises: Sequence[Promise], using: str) -> None:
    """Write promises down of events that are there already."""
    dialect_for(using).promise(cursor, [], promises)
    wakeup.ring_after_commit(using)


def _own_body(event: Event, subscription: Subscription) -> str | None:
    body = subscription.body(event) if subscription.body else None
    return None if body is None else bounded(body, f"{event.type} for {subscription.name}")


@cache
def _adapters(using: str) -> tuple[Any, Any]:
    operations, features = connections[using].ops, connections[using].features
    uuid = (lambda value: value) if features.has_native_uuid_field else (lambda value: value.hex)
    return uuid, operations.adapt_datetimefield_value
