"""How much waits, for whom, and for how long: by indexes alone, and remembered for some seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from math import inf

from django.utils import timezone

from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.models import CircuitBreaker

REMEMBERED = 5.0  # seconds
SHARE = 20.0  # that many times longer than the look took


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


def backlog(using: str) -> Backlog:
    """The backlog, some five seconds old at most; older where a look takes long: it takes a twentieth of the time."""
    return _remembered(using)()


@cache
def _remembered(using: str) -> Callable[[], Backlog]:
    """One look serves everybody who asks meanwhile."""
    lock, last = threading.Lock(), [(-inf, Backlog({}, {}, []))]

    def ask() -> Backlog:
        with lock:
            if (began := time.monotonic()) >= last[0][0]:
                found = look(using)
                took = time.monotonic() - began
                last[0] = (began + max(REMEMBERED, SHARE * took), found)
            return last[0][1]

    return ask


def look(using: str) -> Backlog:
    """The backlog as it is now."""
    dialect, now = dialect_for(using), timezone.now()
    waiting = {name: Waiting(count, _since(due, now)) for name, count, due in dialect.waiting()}
    opened = CircuitBreaker.objects.using(using).filter(open_until__gt=now).values_list("subscriber", flat=True)
    return Backlog(waiting, dict(dialect.sending()), list(opened))


def _since(due: datetime, now: datetime) -> float:
    return max(0.0, (now - due).total_seconds())
