"""Waking workers right after a commit. Polling is the truth; this only makes it fast."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db import connections, transaction

from heliostat.outbox import doorbell
from heliostat.outbox.dialect import dialect_for

_workers_here: dict[str, list[Callable[[], None]]] = {}


def register(using: str, wake: Callable[[], None]) -> None:
    """A worker in this process wants to be woken."""
    _workers_here.setdefault(using, []).append(wake)


def unregister(using: str, wake: Callable[[], None]) -> None:
    _workers_here[using].remove(wake)


def wake_after_commit(using: str) -> None:
    """Wake the workers of this process, and those of every other, when this transaction commits."""
    if dialect_for(using).has_notify:
        with connections[using].cursor() as cursor:
            dialect_for(using).notify(cursor)
    ring_after_commit(using)


def ring_after_commit(using: str) -> None:
    """The same, where what the database itself says to workers has been said already."""
    if _workers_here.get(using):
        transaction.on_commit(partial(wake, using), using=using, robust=True)
    elif (door := dialect_for(using).door) is not None:
        transaction.on_commit(partial(doorbell.ring, door), using=using, robust=True)


def wake(using: str) -> None:
    """Wake the workers of this process."""
    for wake_one in tuple(_workers_here.get(using, ())):
        wake_one()
