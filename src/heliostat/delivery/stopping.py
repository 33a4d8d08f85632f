"""Ending a worker by a signal."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from heliostat.delivery.worker import Worker


@contextmanager
def stopped_by_signals(worker: Worker) -> Iterator[list[int]]:
    """SIGTERM or Ctrl-C: `worker` finishes what is in flight and begins nothing new. Gives a list of those that came.

    Only in the main thread, as signals are.
    """
    came: list[int] = []  # no lock: a second signal may come while the first is handled

    def stop(number: int, _: object) -> None:
        came.append(number)
        worker.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
