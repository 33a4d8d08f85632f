"""One receiver with a mountain of callbacks, and all receivers recovering at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from heliostat.outbox import transitions
from heliostat.outbox.models import Callback
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.delivery.working import eventually, hook_to, vehicles, working
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_backlog_of_one_slow_receiver_delays_no_other() -> None:
    """`make chaos` does the same with 100,000."""
    with Receiver(answers=lambda _: Answer(delay=1.0)) as slow, ExitStack() as stack:
        mountain = hook_to(slow)
        vehicles(1_000)
        quick = [stack.enter_context(Receiver()) for _ in range(5)]
        for one in quick:
            hook_to(one)
        with working():
            slow.wait_for(1, timeout=30)
            for number in range(3):
                Vehicle.objects.create(name=f"quick {number}")
                for one in quick:
                    one.wait_for(number + 1, timeout=30)
            left = Callback.objects.filter(subscriber=mountain.subscriber, status="waiting").count()
            assert left > 100, "the others were notified long before its turn was over"


class Crowd:
    """Counts how many requests are with receivers at the same time."""

    def __init__(self) -> None:
        self.is_up = False
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self._lock = threading.Lock()

    def receive(self, name: str) -> None:
        with self._lock:
            for key in (name, "all"):
                self.now[key] += 1
                self.most[key] = max(self.most[key], self.now[key])
        time.sleep(0.01)
        with self._lock:
            for key in (name, "all"):
                self.now[key] -= 1


def test_receivers_that_recover_all_at_once_are_not_flooded(settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY = 20
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 5
    settings.HELIOSTAT_RETRY_FIRST = 1000.0
    with ExitStack() as stack:
        receivers = [stack.enter_context(Receiver(answers=lambda _: Answer(503))) for _ in range(10)]
        for one in receivers:
            hook_to(one)
        vehicles(5)
        drain_outbox()
        waiting = Callback.objects.filter(status="waiting", attempts__gt=0)
        dues = {due.timestamp() // 1 for due in waiting.values_list("due_at", flat=True)}
        assert len(dues) > len(receivers) / 2, "their next attempts are spread"
        crowd = Crowd()
        for number, one in enumerate(receivers):
            one.answers = lambda _, name=str(number): crowd.receive(name) or Answer()
        transitions.retry_now("default")
        with working():
            assert eventually(lambda: not Callback.objects.exclude(status="sent").exists())
    assert max(count for name, count in crowd.most.items() if name != "all") <= 5
    assert crowd.most["all"] <= 20


def test_the_slowest_filter_that_may_be_saved_is_quick(settings: Any) -> None:
    """No patterns, few conditions, little text: its time grows with the object alone."""
    settings.HELIOSTAT_HOOKS_RAISE_EXCEPTIONS = True
    conditions = [{"field": "name", "contains": "a" * 50 + str(number)} for number in range(98)]
    hook = Hook(signals=["example.vehicle.created"], target_url="https://example.com/", filters={"any": conditions})
    hook.save()
    began = time.thread_time()  # of this thread's own, however busy the machine is
    Vehicle.objects.create(name="a" * 50, plan={"notes": "a" * 100_000})
    assert time.thread_time() - began < 0.5
    assert not Callback.objects.exists()
    hook.filters = {"any": [{"field": "name", "contains": "a"}] * 100}
    with pytest.raises(ValidationError, match="at most 100 conditions"):
        hook.save()
    hook.filters = {"any": conditions * 2}
    with pytest.raises(ValidationError, match="longer than 16384 bytes"):
        hook.save()
