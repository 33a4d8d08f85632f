"""Dispatch on commit: give callbacks, right after their commit, to what sends them without waiting for a worker.

The rows are committed before they are dispatched, and each dispatcher claims them as a worker does: what a dispatcher
loses waits in the outbox for the next worker that looks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import connections, transaction

from heliostat.events.context import notifying
from heliostat.events.dispatch import Matched
from heliostat.events.event import Event
from heliostat.outbox import kinds
from heliostat.outbox.kinds import Dispatcher
from heliostat.outbox.models import Callback, Status

logger = logging.getLogger("heliostat.outbox")

AT_ONCE = 500  # callbacks, so that no message of a queue grows without bound


def dispatch_after_commit(matched: Sequence[Matched], using: str) -> None:
    """Dispatch the callbacks of these events when this transaction commits."""
    if _here.is_worker:
        return
    for kind in kinds.registered():
        if (dispatcher := kind.dispatcher()) is not None:
            prefix = f"{kind.name}:"
            events = [event for event, found in matched if any(one.name.startswith(prefix) for one in found)]
            if events:
                _transaction(kind.name, dispatcher, using).events.extend(events)


def dispatch_again_after_commit(ids: Sequence[int], using: str) -> None:
    """Dispatch these callbacks, which are sent again or sooner, when this transaction commits."""
    if ids and not _here.is_worker:
        for kind in kinds.registered():
            if (dispatcher := kind.dispatcher()) is not None:
                _transaction(kind.name, dispatcher, using).again.extend(ids)


class _Transaction:
    """The callbacks of one transaction for one kind of subscribers, dispatched together."""

    def __init__(self, kind: str, dispatcher: Dispatcher, using: str) -> None:
        self.events: list[Event] = []
        self.again: list[int] = []
        self._kind, self._dispatcher, self._using = kind, dispatcher, using
        self._is_dispatched = False
        self._at_commit = self._dispatch
        transaction.on_commit(self._at_commit, using=using, robust=True)
        self._index = len(connections[using].run_on_commit) - 1

    def is_open(self) -> bool:
        """Return whether this is still the transaction: what was undone waits for no commit. It keeps no list of
        Django's, which would keep everything that an undone transaction waited for."""
        waiting = connections[self._using].run_on_commit
        is_waiting = self._index < len(waiting) and waiting[self._index][1] is self._at_commit
        return is_waiting and not self._is_dispatched

    def _dispatch(self) -> None:
        self._is_dispatched = True
        deepest = max(self.events, key=lambda event: event.depth, default=None)
        with notifying(deepest) if deepest else nullcontext():  # rows of a queue in the database may have events, too
            for events in _chunks(self.events):
                self._dispatch_waiting(event__in=[event.id for event in events])
            for ids in _chunks(self.again):
                self._dispatch_waiting(pk__in=ids)

    def _dispatch_waiting(self, **which: Any) -> None:
        found = Callback.objects.using(self._using).filter(**which, status=Status.WAITING)
        found = found.filter(subscriber__startswith=f"{self._kind}:").order_by("pk")
        for ids in _chunks(list(found.values_list("pk", flat=True))):
            try:
                self._dispatcher(ids, self._using)
            except Exception as error:
                logger.exception("%d callbacks could not be dispatched (%s); a worker sends them", len(ids), error)


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))


class _Here(threading.local):
    """The transactions of this thread, by kind and database, and whether it is a worker's."""

    def __init__(self) -> None:
        self.transactions: dict[tuple[str, str], _Transaction] = {}
        self.is_worker = False


_here = _Here()


@contextmanager
def left_to_worker() -> Iterator[None]:
    """Dispatch nothing from this thread: it is a worker's, which sends all itself and waits for no receiver."""
    before, _here.is_worker = _here.is_worker, True
    try:
        yield
    finally:
        _here.is_worker = before


def _transaction(kind: str, dispatcher: Dispatcher, using: str) -> _Transaction:
    known = _here.transactions.get((kind, using))
    if known is None or not known.is_open():
        known = _here.transactions[kind, using] = _Transaction(kind, dispatcher, using)
    return known
