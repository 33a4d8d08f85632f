"""How many callbacks wait, for which subscribers, and for how long; and how many are in another state."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf

from django.db.models import Count, Min
from django.utils import timezone

from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.models import Callback, CircuitBreaker, Status

REMEMBERED = 5.0  # seconds
SHARE = 20.0  # a look is remembered for that many times longer than it took


@dataclass(frozen=True, slots=True)
class Waiting:
    """`callbacks` wait for one subscriber; the oldest that is due has been so for `due_for` seconds."""

    callbacks: int
    due_for: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """By subscriber. `open` are those whose circuit breakers are open."""

    waiting: dict[str, Waiting]
    sending: dict[str, int]
    open: list[str]


@dataclass(slots=True)
class _Look:
    """The last look at the backlog of one database, which counts `until` then (`time.monotonic()`)."""

    found: Backlog
    until: float = -inf
    lock: threading.Lock = field(default_factory=threading.Lock)


_looks: defaultdict[str, _Look] = defaultdict(lambda: _Look(Backlog({}, {}, [])))


def backlog(using: str) -> Backlog:
    """Return the backlog, some five seconds old at most; older where a look takes long: a twentieth of the time goes
    into looks. One look serves all who ask meanwhile."""
    last = _looks[using]
    with last.lock:
        if (began := time.monotonic()) >= last.until:
            last.found = look(using)
            last.until = began + max(REMEMBERED, SHARE * (time.monotonic() - began))
        return last.found


def look(using: str) -> Backlog:
    """Return the backlog as it is now, by indexes only."""
    dialect, now = dialect_for(using), timezone.now()
    waiting = {name: Waiting(count, max(0.0, (now - due).total_seconds())) for name, count, due in dialect.waiting()}
    opened = CircuitBreaker.objects.using(using).filter(open_until__gt=now).values_list("subscriber", flat=True)
    return Backlog(waiting, dict(dialect.sending()), list(opened))


@dataclass(frozen=True, slots=True)
class OfSubscriber:
    """The callbacks of one subscriber in one state; `oldest` is when the oldest of them was created."""

    subscriber: str
    callbacks: int
    oldest: datetime


def by_subscriber(status: Status, using: str, since: datetime | None = None) -> list[OfSubscriber]:
    """Count callbacks in this state, of the whole table or those created or tried `since`; the most first."""
    found = Callback.objects.using(using).filter(status=status)
    if since is not None:
        found = found.filter(updated_at__gte=since)
    rows = found.order_by().values_list("subscriber").annotate(callbacks=Count("pk"), oldest=Min("created_at"))
    return [OfSubscriber(*row) for row in rows.order_by("-callbacks", "subscriber")]


def by_status(ids: Sequence[int], using: str) -> dict[int, str]:
    """Return the states of these callbacks, by id; one that does not exist is not in it."""
    return dict(Callback.objects.using(using).filter(pk__in=ids).values_list("pk", "status"))


def subscribers_of(ids: Sequence[int], using: str) -> list[str]:
    """Return the subscribers of these callbacks."""
    found = Callback.objects.using(using).filter(pk__in=ids).order_by("subscriber")
    return list(found.values_list("subscriber", flat=True).distinct())
