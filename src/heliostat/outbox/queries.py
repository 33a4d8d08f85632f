"""Finding callbacks in a long log: every way goes by an index, however many there are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain, islice
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import CharField, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce

from heliostat.objects import parse_key
from heliostat.outbox.models import Callback, Event, Status

BIGGEST_ID = 2**63 - 1
EVENTS_OF_ONE_OBJECT = 1000  # the newest of them
NEXT_OF_ALL = 500  # callbacks, among which those of many subscribers are looked for first
LOGS_AT_ONCE = 100  # in one statement; SQLite takes 500
SKEW = timedelta(minutes=5)  # by which the clocks of two writers may differ
MESSAGE_ID = re.compile(r"msg_([0-9a-f]{32})(?:_.*)?", re.IGNORECASE)


def in_state(callbacks: QuerySet[Callback], status: Status) -> QuerySet[Callback]:
    """Those in this state. It is written into the statement: SQLite uses no partial index for a parameter."""
    return callbacks.filter(status=RawSQL(f"'{status.value}'", (), CharField()))  # noqa: S611  our own word


def made_since(callbacks: QuerySet[Callback], time: datetime) -> QuerySet[Callback]:
    """Those that were made since then. Ids grow with time: where it lies among them is found by halving."""
    return callbacks.filter(pk__gte=_first_id_since(_moved(time, -SKEW), callbacks.db), created_at__gte=time)


def made_before(callbacks: QuerySet[Callback], time: datetime) -> QuerySet[Callback]:
    """Those that were made before then."""
    return callbacks.filter(pk__lt=_first_id_since(_moved(time, SKEW), callbacks.db), created_at__lt=time)


def _moved(time: datetime, by: timedelta) -> datetime:
    try:
        return time + by
    except OverflowError:  # the first or the last day that there is
        return time


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


class OfSubscribers:
    """The callbacks of some subscribers by id, a page at a time; has what a paginator asks of a queryset.

    Each subscriber's log is read from its index just as far as the page may reach. For `subscriber IN (…)` a database
    would sort all callbacks that they ever had, or look for them among everybody's. Many subscribers are given as a
    queryset with an annotation `subscriber_name`, in the same database. Who has so many has most likely callbacks
    among the next of all. Else of each subscriber the first callback alone is looked up: a page of fifty can hold
    callbacks of only the fifty whose first ones come first.
    """

    def __init__(self, callbacks: QuerySet[Callback], subscribers: Sequence[str] | QuerySet[Any]) -> None:
        self._callbacks = callbacks
        self._subscribers = subscribers

    def order_by(self, key: str) -> OfSubscribers:
        """By `id` or `-id`."""
        return OfSubscribers(self._callbacks.order_by(key), self._subscribers)

    def filter(self, **lookups: Any) -> OfSubscribers:
        """Those of them that."""
        return OfSubscribers(self._callbacks.filter(**lookups), self._subscribers)

    def __getitem__(self, page: slice) -> list[Callback]:
        is_descending = self._callbacks.query.order_by == ("-id",)
        subscribers = self._subscribers
        if isinstance(subscribers, QuerySet):
            if len(near := self._among_the_next(subscribers)) >= page.stop:
                return list(self._callbacks.filter(pk__in=near[page]))
            subscribers = self._whose_come_first(subscribers, page.stop, is_descending)
        logs = (self._callbacks.filter(subscriber=one).values("pk")[: page.stop] for one in subscribers)
        ids: list[int] = []
        while some := list(islice(logs, LOGS_AT_ONCE)):
            ids += self._ids(some)
        ids.sort(reverse=is_descending)
        return list(self._callbacks.filter(pk__in=ids[page]))

    def _among_the_next(self, subscribers: QuerySet[Any]) -> list[int]:
        found = list(self._callbacks.values_list("pk", "subscriber")[:NEXT_OF_ALL])
        names = {name for _, name in found}
        theirs = set(subscribers.filter(subscriber_name__in=names).values_list("subscriber_name", flat=True))
        return [pk for pk, name in found if name in theirs]

    def _whose_come_first(self, subscribers: QuerySet[Any], most: int, is_descending: bool) -> list[str]:
        log = self._callbacks.filter(subscriber=OuterRef("subscriber_name"))
        none = 0 if is_descending else BIGGEST_ID
        found = subscribers.annotate(first_callback=Coalesce(Subquery(log.values("pk")[:1]), none))
        found = found.order_by("-first_callback" if is_descending else "first_callback")
        return [name for name, first in found.values_list("subscriber_name", "first_callback")[:most] if first != none]

    def _ids(self, logs: Sequence[QuerySet[Any, Any]]) -> list[int]:
        using = self._callbacks.db
        parts = [log.query.get_compiler(using).as_sql() for log in logs]
        # Written out: SQLite takes an ORDER BY with a LIMIT only inside parentheses of its own.
        union = " UNION ALL ".join(f"SELECT * FROM ({sql}) AS log_{number}" for number, (sql, _) in enumerate(parts))
        with connections[using].cursor() as cursor:
            cursor.execute(union, list(chain.from_iterable(parameters for _, parameters in parts)))
            return [id_ for (id_,) in cursor.fetchall()]


def search(callbacks: QuerySet[Callback], term: str) -> QuerySet[Callback]:
    """By the id of a callback, an event, a message (`webhook-id`) or an object, or by subscriber (`hook:7`)."""
    if event := event_id(term):
        return callbacks.filter(event=event)
    if ":" in term:
        return callbacks.filter(subscriber=term)
    of_object = Event.objects.using(callbacks.db).filter(object_id=term).order_by("-pk")
    found = Q(event__in=list(of_object.values_list("pk", flat=True)[:EVENTS_OF_ONE_OBJECT]))
    with suppress(ValidationError):  # a text that is no id of a callback
        found |= Q(pk=parse_key(Callback, term))
    return callbacks.filter(found)


def event_id(term: str) -> UUID | None:
    """The id of an event that a text is, or holds as the id of a message."""
    message = MESSAGE_ID.fullmatch(term)
    try:
        return UUID(message[1] if message else term)
    except ValueError:
        return None
