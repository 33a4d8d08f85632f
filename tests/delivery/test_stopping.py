"""Ending a worker: at whatever moment the signal comes, and without wearing out the machine until then."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from heliostat.testing import Answer, Receiver
from tests.chaos.processes import world
from tests.delivery.working import hook_to, working
from tests.example.models import Vehicle

INTERRUPTED = """
import random, signal, threading
from heliostat.delivery.worker import Worker
worker, signals = Worker(), 0

def interrupt(*_):
    global signals
    worker.wake()
    signals += 1
    if signals == 2000:
        worker.stop()
    else:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.0001, 0.001))

signal.signal(signal.SIGALRM, interrupt)
threading.Timer(0.5, lambda: signal.raise_signal(signal.SIGALRM)).start()
worker.run()
answer(signals)
"""


@pytest.mark.slow
def test_a_signal_may_come_at_whatever_moment(tmp_path: Path) -> None:
    """It could come while the worker's thread held the lock of what wakes it, and then waited for that lock itself."""
    with world("default", tmp_path) as made:
        assert made.run(INTERRUPTED) == 2000


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_worker_that_waits_for_its_last_answers_rests(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_POLL = 0.05
    receiver.answers = [Answer(delay=2.0)]
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    with working() as (worker,):
        receiver.wait_for(1)
        worker.stop()
        began = time.process_time()
    assert time.process_time() - began < 0.5
