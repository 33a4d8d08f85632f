"""Waking workers right after a commit. Polling is the truth; this only makes it fast."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from django.db import connections, transaction

from heliostat.outbox import doorbell

CHANNEL = "heliostat_outbox"

_workers_here: dict[str, list[Callable[[], None]]] = {}


def register(using: str, wake: Callable[[], None]) -> None:
    """A worker in this process wants to be woken."""
    _workers_here.setdefault(using, []).append(wake)


def unregister(using: str, wake: Callable[[], None]) -> None:
    _workers_here[using].remove(wake)


def wake_after_commit(using: str) -> None:
    """Wake the workers of this process, and those of every other, when this transaction commits."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:  # delivered at commit, once a transaction however often it is said
            cursor.execute(f"NOTIFY {CHANNEL}")
    if _workers_here.get(using):
        transaction.on_commit(partial(wake, using), using=using, robust=True)
    elif (file := database_file(using)) is not None:
        transaction.on_commit(partial(doorbell.ring, file), using=using, robust=True)


def wake(using: str) -> None:
    """Wake the workers of this process."""
    for wake_one in tuple(_workers_here.get(using, ())):
        wake_one()


def database_file(using: str) -> str | None:
    """The file of a SQLite database; None for one in memory, and for every other kind."""
    connection = connections[using]
    if connection.vendor != "sqlite" or connection.is_in_memory_db():  # type: ignore[attr-defined]
        return None
    return str(connection.settings_dict["NAME"])
