"""Ending a worker by a signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from heliostat.delivery.worker import Worker


@contextmanager
def stopped_by_signals(worker: Worker) -> Iterator[threading.Event]:
    """SIGTERM or Ctrl-C: `worker` finishes what is in flight and begins nothing new; the event given says that it was.

    Only in the main thread, as signals are.
    """
    stopped = threading.Event()

    def stop(*_: object) -> None:
        stopped.set()
        worker.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
