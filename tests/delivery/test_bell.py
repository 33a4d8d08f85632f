"""What wakes a worker: no ring is lost, and no wait is longer than it was to be."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from heliostat.delivery.bell import Bell


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_who_rang_before_is_heard_and_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    assert seconds(lambda: bell.wait(5)) < 1
    assert seconds(lambda: bell.wait(0.1)) >= 0.1


def test_a_signal_that_takes_longer_than_the_wait_does_not_make_it_endless() -> None:
    """`SimpleQueue.get(timeout=…)` then waits for ever: nothing was written down, and no lease was renewed."""
    bell, main = Bell(), threading.main_thread().ident or 0
    before = signal.signal(signal.SIGUSR1, lambda *_: time.sleep(0.3))
    threads = [threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1)), threading.Timer(5, bell.ring)]
    for thread in threads:
        thread.start()
    try:
        assert seconds(lambda: bell.wait(0.1)) < 3
    finally:
        signal.signal(signal.SIGUSR1, before)
        for thread in threads:
            thread.cancel()
