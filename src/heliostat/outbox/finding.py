"""Finding callbacks in a long log: every way goes by an index, however many there are."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import CharField, Max, Min, Q, QuerySet
from django.db.models.expressions import RawSQL

from heliostat.outbox.models import Callback, Event, Status

EVENTS_OF_ONE_OBJECT = 1000  # the newest of them
BIGGEST_ID = 2**63 - 1
SKEW = timedelta(minutes=5)  # by which the clocks of two writers may differ
MESSAGE_ID = re.compile(r"msg_([0-9a-f]{32})(?:_.*)?", re.IGNORECASE)


def in_state(callbacks: QuerySet[Callback], status: Status) -> QuerySet[Callback]:
    """Those in this state. It is written into the statement: SQLite uses no partial index for a parameter."""
    return callbacks.filter(status=RawSQL(f"'{status.value}'", (), CharField()))  # noqa: S611  our own word


def made_since(callbacks: QuerySet[Callback], time: datetime) -> QuerySet[Callback]:
    """Those that were made since then. Ids grow with time: where it lies among them is found by halving."""
    return callbacks.filter(pk__gte=_first_id_since(time - SKEW, callbacks.db), created_at__gte=time)


def _first_id_since(time: datetime, using: str) -> int:
    rows = Callback.objects.using(using).order_by("pk")
    ends = rows.aggregate(low=Min("pk"), high=Max("pk"))
    low, high = ends["low"] or 0, (ends["high"] or 0) + 1
    while low < high:
        middle = (low + high) // 2
        found = rows.filter(pk__gte=middle).values_list("pk", "created_at").first()
        if found is None or found[1] >= time:
            high = middle
        else:
            low = found[0] + 1
    return int(low)


def search(callbacks: QuerySet[Callback], term: str) -> QuerySet[Callback]:
    """By the id of a callback, an event, a message (`webhook-id`) or an object, or by subscriber (`hook:7`)."""
    if event := event_id(term):
        return callbacks.filter(event=event)
    if ":" in term:
        return callbacks.filter(subscriber=term)
    of_object = Event.objects.using(callbacks.db).filter(object_id=term).order_by("-pk")
    found = Q(event__in=list(of_object.values_list("pk", flat=True)[:EVENTS_OF_ONE_OBJECT]))
    if term.isdecimal() and int(term[:20]) <= BIGGEST_ID:
        found |= Q(pk=int(term[:20]))
    return callbacks.filter(found)


def event_id(term: str) -> UUID | None:
    """The id of an event that a text is, or holds as the id of a message."""
    message = MESSAGE_ID.fullmatch(term)
    try:
        return UUID(message[1] if message else term)
    except ValueError:
        return None
