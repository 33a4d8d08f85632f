"""Handing promises over right after their commit, to whoever tells them without waiting for a worker to look.

The rows are committed before anything is handed over, and whoever takes them claims them like a worker: what is handed
over and lost waits in the outbox for the next worker that looks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import connections, transaction

from heliostat.events.context import telling
from heliostat.events.event import Event
from heliostat.events.telling import Told
from heliostat.outbox import kinds
from heliostat.outbox.kinds import Dispatcher
from heliostat.outbox.models import Callback, Status

logger = logging.getLogger("heliostat.outbox")

AT_ONCE = 500  # callbacks, so that no message of a queue grows without bound


def after_commit(told: Sequence[Told], using: str) -> None:
    """Hand over what was just promised, when this transaction commits."""
    if _here.is_worker:
        return
    for kind in kinds.registered():
        if (take := kind.dispatcher()) is not None and (events := _events_for(kind.name, told)):
            _transaction(kind.name, take, using).events.extend(events)


def again_after_commit(ids: Sequence[int], using: str) -> None:
    """Hand over what is to be told once more, or sooner, when this transaction commits."""
    if ids and not _here.is_worker:
        for kind in kinds.registered():
            if (take := kind.dispatcher()) is not None:
                _transaction(kind.name, take, using).again.extend(ids)


def _events_for(kind: str, told: Sequence[Told]) -> list[Event]:
    prefix = f"{kind}:"
    return [event for event, found in told if any(one.name.startswith(prefix) for one in found)]


class _Transaction:
    """What one transaction promised to one kind of subscribers, handed over together."""

    def __init__(self, kind: str, take: Dispatcher, using: str) -> None:
        self.events: list[Event] = []
        self.again: list[int] = []
        self._kind, self._take, self._using = kind, take, using
        self._handed_over = False
        transaction.on_commit(self._hand_over, using=using, robust=True)
        self._commit_hooks = connections[using].run_on_commit

    def is_open(self) -> bool:
        """Whether this is still the transaction, and nothing of it was undone: then Django would keep another list."""
        return not self._handed_over and self._commit_hooks is connections[self._using].run_on_commit

    def _hand_over(self) -> None:
        self._handed_over = True
        deepest = max(self.events, key=lambda event: event.depth, default=None)
        with telling(deepest) if deepest else nullcontext():  # a queue in the database may be news itself
            for events in _chunks(self.events):
                self._hand_over_waiting(event__in=[event.id for event in events])
            for ids in _chunks(self.again):
                self._hand_over_waiting(pk__in=ids)

    def _hand_over_waiting(self, **which: Any) -> None:
        found = Callback.objects.using(self._using).filter(**which, status=Status.WAITING)
        found = found.filter(subscriber__startswith=f"{self._kind}:").order_by("pk")
        for ids in _chunks(list(found.values_list("pk", flat=True))):
            self._give(ids)

    def _give(self, ids: Sequence[int]) -> None:
        try:
            self._take(ids, self._using)
        except Exception as error:
            logger.exception("%d callbacks could not be handed over (%s); a worker will tell them", len(ids), error)


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))


class _Here(threading.local):
    """Of this thread: its transactions, by kind and database, and whether it is a worker's."""

    def __init__(self) -> None:
        self.transactions: dict[tuple[str, str], _Transaction] = {}
        self.is_worker = False


_here = _Here()


@contextmanager
def left_to_worker() -> Iterator[None]:
    """What happens in this thread is told by a worker: it is a worker's, which must not wait for a receiver, say."""
    before, _here.is_worker = _here.is_worker, True
    try:
        yield
    finally:
        _here.is_worker = before


def _transaction(kind: str, take: Dispatcher, using: str) -> _Transaction:
    known = _here.transactions.get((kind, using))
    if known is None or not known.is_open():
        known = _here.transactions[kind, using] = _Transaction(kind, take, using)
    return known
