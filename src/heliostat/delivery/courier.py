"""Sending a few callbacks here and now: what a deliverer does that does not leave it to the worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from django.db import Error as DatabaseError

from heliostat.delivery.worker import Worker
from heliostat.outbox.dialect import Claimed
from heliostat.outbox.summary import subscribers_of


class Errand(Worker):
    """Tries each of these callbacks once, if it is due and nobody tells it already.

    It leaves its caller's connection open, and raises where the database is away. Nobody takes it for a worker: it
    gives no sign of life and rescues nobody, and what its callbacks set off is handed over like all else.
    """

    patience = 1.0

    def __init__(self, callbacks: Sequence[int], using: str) -> None:
        super().__init__(using, subscribers=subscribers_of(list(callbacks), using))
        self._untried = set(callbacks)

    def run(self) -> None:
        self._work()

    def _take(self, slots: dict[str, int]) -> list[Claimed]:
        claimed = self._throttle.claim(slots, sorted(self._untried)) if self._untried else []
        self._untried -= {one.id for one in claimed}
        return claimed

    def _wait_for_database(self, error: DatabaseError) -> None:
        raise error

    def _match(self, now: float) -> None: ...

    def _look_after_others(self) -> None: ...

    def _leave(self) -> None: ...


def send(callbacks: Sequence[int], using: str) -> Counter[str]:
    """Tell those of these callbacks that are due and not being told already; gives how often each outcome came about.

    Returns when they are told, each once; what failed waits for its next attempt. Raises `DatabaseError` where the
    database is away.
    """
    return Errand(callbacks, using).drain()
