"""What wakes a worker: no wake-up is lost, and no wait is longer than it was to be."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from heliostat.outbox.waking import Waker


def seconds(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_a_wake_up_before_the_wait_ends_it_and_once() -> None:
    waker = Waker("default")
    waker.wake()
    waker.wake()
    assert seconds(lambda: waker.wait(5)) < 1
    assert seconds(lambda: waker.wait(0.1)) >= 0.1
    waker.wake()
    waker.committed()
    assert waker.wait(5)
    waker.wake()
    assert not waker.wait(5)


def test_a_signal_that_takes_longer_than_the_wait_does_not_make_it_endless() -> None:
    """`SimpleQueue.get(timeout=…)` then waits for ever: nothing was written down, and no lease was renewed."""
    waker, main = Waker("default"), threading.main_thread().ident or 0
    before = signal.signal(signal.SIGUSR1, lambda *_: time.sleep(0.3))
    threads = [threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGUSR1)), threading.Timer(5, waker.wake)]
    for thread in threads:
        thread.start()
    try:
        assert seconds(lambda: waker.wait(0.1)) < 3
    finally:
        signal.signal(signal.SIGUSR1, before)
        for thread in threads:
            thread.cancel()
