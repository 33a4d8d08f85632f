"""Writing event and callback rows, in the transaction of the change.

A fixed number of statements, however many subscribers matched: at most one for events and one for callbacks (and one
for callbacks that cannot be rendered). Only a statement that fails here fails the change: the event would be lost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from django.db import DatabaseError, connections

from heliostat.events.dispatch import Matched
from heliostat.events.event import Event
from heliostat.events.subscriptions import Subscription
from heliostat.events.transactions import one_transaction
from heliostat.outbox import dispatch
from heliostat.outbox.bodies import context_of
from heliostat.outbox.databases import explain, has_outbox
from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.dialect.inserts import Row
from heliostat.outbox.models import Callback
from heliostat.outbox.models import Event as EventRow
from heliostat.outbox.rendering import Errors, render, rendering
from heliostat.outbox.waking import wake_after_commit


class Rows(NamedTuple):
    """What is written of an event: the body of its own row, callbacks to send, and callbacks that are errors."""

    body: str
    callbacks: list[Row]
    failed: list[Row]


LONGEST_KEY = EventRow._meta.get_field("object_id").max_length or 0
LONGEST_ORDERING_KEY = Callback._meta.get_field("ordering_key").max_length or 0


def write(matched: Sequence[Matched], using: str) -> None:
    """Write these events and the callbacks of their subscribers, where this database has an outbox."""
    if not has_outbox(using):
        return
    events: list[Row] = []
    callbacks: list[Row] = []
    failed: list[Row] = []
    dialect, uuid = dialect_for(using), _uuid_adapter(using)
    with rendering():
        for event, found in matched:
            rows = callback_rows(event, found, using)
            object_id = event.object_id and event.object_id[:LONGEST_KEY]  # to find it by; the body has it whole
            what = (event.resource, event.action, object_id, rows.body, context_of(event))
            events.append((uuid(event.id), *what, dialect.time(event.time)))
            callbacks += rows.callbacks
            failed += rows.failed
    with one_transaction(using), connections[using].cursor() as cursor:
        try:
            dialect.write(cursor, events, callbacks, failed)
        except DatabaseError as error:
            explain(error, using)
            raise
        wake_after_commit(using, is_notified=True)
        dispatch.dispatch_after_commit(matched, using)


def callback_rows(event: Event, subscriptions: Sequence[Subscription], using: str, fatal: Errors = ()) -> Rows:
    """Return the body of an event's row, and the rows of its callbacks. Raises `fatal` errors of code that renders."""
    event_id = _uuid_adapter(using)(event.id)
    body, rendered = render(event, subscriptions, fatal)
    rows = Rows(body, [], [])
    for one in rendered:
        ordering_key = ordering_key_of(event) if one.subscription.ordered else None
        row = (event_id, one.subscription.name, ordering_key)
        if one.problem is None:
            rows.callbacks.append((*row, one.body))
        else:
            rows.failed.append((*row, *one.problem))
    return rows


def write_callbacks(cursor: Any, callbacks: Sequence[Row], using: str, failed: Sequence[Row] = ()) -> None:
    """Write the callbacks of events that are there already."""
    dialect_for(using).write(cursor, [], callbacks, failed)
    wake_after_commit(using, is_notified=True)


@cache
def _uuid_adapter(using: str) -> Callable[[UUID], Any]:
    return (lambda value: value) if connections[using].features.has_native_uuid_field else attrgetter("hex")


def ordering_key_of(event: Event) -> str | None:
    """Return the ordering key of the event's object; None where there is no object, and so no order."""
    if event.object_id is None:
        return None
    key = f"{event.resource}:{event.object_id}"
    return key if len(key) <= LONGEST_ORDERING_KEY else f"{event.resource}#{hashlib.sha256(key.encode()).hexdigest()}"
