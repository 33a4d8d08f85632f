"""Send callbacks here and now, without a worker process: by code, or for a person who does not want to wait."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from heliostat.conf import conf
from heliostat.delivery.worker import Worker
from heliostat.outbox import circuit_breaker, resending, transitions
from heliostat.outbox.backlog import by_status, subscribers_of
from heliostat.outbox.dispatch import left_to_worker
from heliostat.outbox.models import Status
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT

WORDS = {
    SENT: "sent", RETRY: "failed", GIVE_UP: "failed", CANCEL: "cancelled",
    Status.SENT: "sent", Status.WAITING: "failed", Status.ERROR: "failed", Status.CANCELLED: "cancelled",
    Status.SENDING: "being sent by another worker", None: "not found",
}  # fmt: skip
LOOK = 0.05  # seconds between looks at what another worker is sending


def send_now(callbacks: Sequence[int], using: str) -> Counter[str]:
    """Send those of these callbacks that are due and that no other worker sends. Return the number of each outcome.

    Each is attempted once; those that fail wait for their next attempt. Raise `DatabaseError` if the database is down.
    """
    return Worker(using, callbacks=callbacks).drain()


def send_waiting(subscribers: Sequence[str] | None, worker: Worker) -> Counter[str]:
    """Send all callbacks that wait, or those of the worker's subscribers, due or not. Return counts in words."""
    for subscriber in subscribers or ("",):
        transitions.retry_now(worker.using, subscriber=subscriber)
    circuit_breaker.half_open(worker.using, subscribers)
    counts: Counter[str] = Counter()
    for outcome, count in worker.drain().items():
        counts[WORDS[outcome]] += count
    return counts


def send_mentioned(ids: Sequence[int], worker: Worker) -> Counter[str]:
    """Send these callbacks, also those that have ended. Return counts in words, by the rows: another worker may have
    been quicker. Callbacks that another worker is sending are only waited for."""
    with left_to_worker():  # this one
        resending.resend(ids, worker.using)
        transitions.retry_now(worker.using, ids=ids)
    circuit_breaker.half_open(worker.using, subscribers_of(ids, worker.using))
    worker.drain()
    deadline = time.monotonic() + conf.request_timeout
    while Status.SENDING in (states := by_status(ids, worker.using)).values() and time.monotonic() < deadline:
        time.sleep(LOOK)
    return Counter(WORDS[states.get(id_)] for id_ in ids)
