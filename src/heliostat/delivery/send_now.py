"""Send a few callbacks here and now, without a worker process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import Error as DatabaseError

from heliostat.delivery.worker import Worker
from heliostat.outbox.dialect import Claimed
from heliostat.outbox.summary import subscribers_of


class OneShotWorker(Worker):
    """Tries each of these callbacks once, if it is due and no other worker sends it.

    It leaves its caller's connection open, and raises `DatabaseError` where the database is away. It is not listed as a
    worker: it sends no heartbeat and rescues no callbacks, and the events that its callbacks cause are dispatched on
    commit like all others.
    """

    patience = 1.0

    def __init__(self, callbacks: Sequence[int], using: str) -> None:
        super().__init__(using, subscribers=subscribers_of(list(callbacks), using))
        self._untried = set(callbacks)

    def run(self) -> None:
        self._work()

    def _take(self, slots: dict[str, int]) -> list[Claimed]:
        claimed = self._scheduler.claim(slots, sorted(self._untried)) if self._untried else []
        self._untried -= {one.id for one in claimed}
        return claimed

    def _wait_for_database(self, error: DatabaseError) -> None:
        raise error

    def _match(self, now: float) -> None: ...

    def _look_after_others(self) -> None: ...

    def _leave(self) -> None: ...


def send_now(callbacks: Sequence[int], using: str) -> Counter[str]:
    """Send those of these callbacks that are due and that no other worker sends. Return the number of each outcome.

    Each is tried once; those that fail wait for their next attempt. Raise `DatabaseError` where the database is away.
    """
    return OneShotWorker(callbacks, using).drain()
