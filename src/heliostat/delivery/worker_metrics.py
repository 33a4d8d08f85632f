"""Count what a worker does, for its metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

from heliostat.conf import conf
from heliostat.outbox.transitions import Result, comes_to

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OTHERS = "others"


class WorkerMetrics:
    """Attempts by subscriber and outcome, and how long they took. Written by one thread, read by any."""

    def __init__(self) -> None:
        self.attempts: Counter[tuple[str, str]] = Counter()
        self.durations = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0
        self.claims = 0
        self.claimed = 0
        self._known: set[str] = set()

    def note_claim(self, callbacks: int) -> None:
        self.claims += 1
        self.claimed += callbacks

    def note(self, results: Iterable[Result]) -> None:
        for result in results:
            self.attempts[self._label(result.claimed.subscriber), comes_to(result)] += 1
            self.durations[bisect_left(BUCKETS, result.duration)] += 1
            self.seconds += result.duration

    def _label(self, subscriber: str) -> str:
        """Return its name for the first so many subscribers: labels without bound would burden the metrics server."""
        if subscriber in self._known or len(self._known) < conf.metrics_subscribers:
            self._known.add(subscriber)
            return subscriber
        return OTHERS
