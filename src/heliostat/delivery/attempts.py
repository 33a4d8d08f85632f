"""What a worker reports of attempts: a log line for each, with its outcome but never what was sent; and metrics."""

from __future__ import annotations

import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

from heliostat.conf import conf
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result, comes_to

logger = logging.getLogger("heliostat.delivery")

LEVELS = {SENT: logging.INFO, CANCEL: logging.INFO, RETRY: logging.WARNING, GIVE_UP: logging.ERROR}
WORDS = {SENT: "sent", CANCEL: "cancelled", RETRY: "failed, to be tried again", GIVE_UP: "given up"}
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
OTHERS = "others"


def log(results: Sequence[Result]) -> None:
    """Log the attempts whose level is enabled; the others cost next to nothing."""
    is_loud = logger.isEnabledFor(logging.INFO)
    for result in results:
        if (is_loud or result.outcome != SENT) and logger.isEnabledFor(LEVELS[outcome := comes_to(result)]):
            claimed = result.claimed
            fields = {
                "event_id": str(UUID(claimed.event_id)),
                "callback_id": claimed.id,
                "subscriber": claimed.subscriber,
                "attempt": claimed.attempts,
                "outcome": outcome,
                "status_code": result.status_code,
                "duration_ms": round(result.duration * 1000),
            }
            words = claimed.subscriber, WORDS[outcome], result.details
            logger.log(LEVELS[outcome], "%s %s: %s", *words, extra=fields)


class Metrics:
    """Attempts by subscriber and outcome, and how long they took. Written by one thread, read by any.

    The first `HELIOSTAT_METRICS_SUBSCRIBERS` subscribers have labels of their own: labels without bound would burden
    the metrics server.
    """

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.durations = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.claims = 0
        self.claimed = 0
        self._labels: set[str] = set()

    def count_claim(self, callbacks: int) -> None:
        self.claims += 1
        self.claimed += callbacks

    def count(self, results: Iterable[Result]) -> None:
        for result in results:
            label = result.claimed.subscriber
            if label not in self._labels and len(self._labels) >= conf.metrics_subscribers:
                label = OTHERS
            else:
                self._labels.add(label)
            self.attempts[label, comes_to(result)] += 1
            self.durations[bisect_left(BUCKETS, result.duration)] += 1
            self.seconds += result.duration
