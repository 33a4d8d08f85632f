"""Sending here and now, for a person who does not want to wait for the worker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from heliostat.conf import conf
from heliostat.delivery.send_now import OneShotWorker
from heliostat.delivery.worker import Worker
from heliostat.outbox import circuit_breaker, resending, transitions
from heliostat.outbox.dispatch import left_to_worker
from heliostat.outbox.models import Status
from heliostat.outbox.summary import by_status, by_subscriber, subscribers_of
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT

WORDS = {
    SENT: "sent", RETRY: "failed", GIVE_UP: "failed", CANCEL: "cancelled",
    Status.SENT: "sent", Status.WAITING: "failed", Status.ERROR: "failed", Status.CANCELLED: "cancelled",
    Status.SENDING: "being sent by another worker", None: "not found",
}  # fmt: skip
LOOK = 0.05  # seconds between looks at what another worker is sending


class Waiting:
    """All that waits, or what waits for one subscriber."""

    def __init__(self, subscriber: str, using: str) -> None:
        self._subscriber = subscriber
        self._using = using
        self._subscribers = [subscriber] if subscriber else None
        self.worker = Worker(using, subscribers=self._subscribers)

    def count(self) -> int:
        """How many there are to send."""
        waiting = by_subscriber(Status.WAITING, self._using)
        return sum(one.callbacks for one in waiting if self._subscriber in ("", one.subscriber))

    def send(self) -> Counter[str]:
        """Counts what came of it, in words."""
        transitions.retry_now(self._using, subscriber=self._subscriber)
        circuit_breaker.half_open(self._using, self._subscribers)
        told: Counter[str] = Counter()
        for outcome, count in self.worker.drain().items():
            told[WORDS[outcome]] += count
        return told


class Mentioned:
    """These callbacks alone. What came to an end is sent again; what is being sent is left alone."""

    def __init__(self, ids: Iterable[int], using: str) -> None:
        self._ids = sorted(set(ids))
        self._using = using
        self.worker = OneShotWorker(self._ids, using)

    def count(self) -> int:
        """How many there are to send."""
        return len(self._ids)

    def send(self) -> Counter[str]:
        """Counts what came of it, in words. The rows say so, for a running worker may have been quicker than we."""
        with left_to_worker():  # which is ours
            resending.resend(self._ids, self._using)
            transitions.retry_now(self._using, ids=self._ids)
        circuit_breaker.half_open(self._using, subscribers_of(self._ids, self._using))
        self.worker.drain()
        states = self._final_states()
        return Counter(WORDS[states.get(id_)] for id_ in self._ids)

    def _final_states(self) -> dict[int, str]:
        deadline = time.monotonic() + conf.request_timeout
        states = by_status(self._ids, self._using)
        while Status.SENDING in states.values() and time.monotonic() < deadline:
            time.sleep(LOOK)
            states = by_status(self._ids, self._using)
        return states
