"""The worker: quick when woken, clean when stopped, patient with databases, fair between receivers."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction

from heliostat.delivery.heartbeat import worker_status
from heliostat.hooks import run_hook
from heliostat.outbox import waking
from heliostat.outbox.models import Callback, WorkerSeen
from heliostat.outbox.waking import Waker
from heliostat.testing import Answer, Receiver
from tests.delivery.working import eventually, hook_to, working
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_a_commit_wakes_the_worker_at_once(using: str, receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_POLL = 30  # only a wake-up can be this quick
    hook_to(receiver)
    with working(using):
        time.sleep(0.5)
        Vehicle.objects.using(using).create(name="55")
        receiver.wait_for(1, timeout=5)


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[Waker]:
    """The waker of a worker in another process: no thread of this one knows of it."""
    if "postgresql" not in connections.databases:
        pytest.skip("no PostgreSQL at 127.0.0.1:5432")
    waker = Waker("postgresql")
    waker.listen()
    monkeypatch.setattr(waking, "_wakers", {})
    yield waker
    waker.close()


def test_another_process_is_woken_by_notify(receiver: Receiver, listening: Waker) -> None:
    hook_to(receiver)
    assert listening.wait(5), "it looks once when it begins to listen"
    assert not listening.wait(0.05)
    Vehicle.objects.using("postgresql").create(name="55")
    assert listening.wait(5)
    assert not listening.wait(0.05)


def test_a_waker_whose_connection_is_cut_listens_again(
    receiver: Receiver, listening: Waker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waking, "RECONNECT", 0.2)
    hook_to(receiver)
    assert listening.wait(5)
    with connections["postgresql"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN %'")
    assert not listening.wait(5), "nothing was committed"
    assert not listening.wait(0.05), "it polls meanwhile"
    time.sleep(0.2)
    assert listening.wait(5), "something may have been committed meanwhile"
    Vehicle.objects.using("postgresql").create(name="55")
    assert listening.wait(5)


def test_stopping_finishes_what_is_in_flight_and_begins_nothing_new(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 2
    receiver.answers = [Answer(delay=0.5)] * 10
    hook_to(receiver)
    for index in range(6):
        Vehicle.objects.create(name=str(index))
    with working() as (worker,):
        receiver.wait_for(2)
        worker.stop()
    states = sorted(Callback.objects.values_list("status", flat=True))
    assert states == ["sent", "sent", "waiting", "waiting", "waiting", "waiting"]


def test_a_slow_receiver_does_not_delay_a_quick_one(using: str, settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 5
    with Receiver(answers=lambda _: Answer(delay=2.0)) as slow, Receiver() as quick:
        hook_to(slow)
        for index in range(100):
            Vehicle.objects.using(using).create(name=str(index))
        hook_to(quick)
        with working(using):
            slow.wait_for(5)
            Vehicle.objects.using(using).create(name="quick")
            began = time.monotonic()
            quick.wait_for(1)
            assert time.monotonic() - began < 1.5


def test_the_status_says_whether_a_worker_lives_and_how_much_waits(receiver: Receiver) -> None:
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    status = worker_status()
    assert (status.running, status.waiting, status.last_seen) == (False, 1, None)
    with working():
        receiver.wait_for(1)
        deadline = time.monotonic() + 5
        while not worker_status().running and time.monotonic() < deadline:
            time.sleep(0.05)
        assert worker_status().running
    assert not WorkerSeen.objects.exists()


def test_the_command_drains_in_batch_mode_and_says_what_it_did(receiver: Receiver, capsys: Any) -> None:
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    call_command("worker", batch=True)
    assert "1 sent" in capsys.readouterr().out


def test_a_database_that_goes_away_ends_nothing(using: str, receiver: Receiver, caplog: Any, monkeypatch: Any) -> None:
    from django.db import OperationalError

    from heliostat.outbox import transitions

    real, failed = transitions.record_results, []

    def one_that_fails_once(*arguments: Any) -> None:
        if arguments[0] and not failed:
            failed.append(True)
            raise OperationalError("server closed the connection unexpectedly")
        real(*arguments)

    monkeypatch.setattr(transitions, "record_results", one_that_fails_once)
    hook_to(receiver)
    with working(using):
        Vehicle.objects.using(using).create(name="55")
        receiver.wait_for(1)
        deadline = time.monotonic() + 10
        while Callback.objects.using(using).get().status != "sent" and time.monotonic() < deadline:
            time.sleep(0.05)
    assert Callback.objects.using(using).get().status == "sent"
    assert len(receiver.deliveries) == 1, "it was recorded later, not sent again"
    assert "out of reach" in caplog.text


class Together(deque[Any]):
    """What two threads add is there for both before either goes on."""

    both = threading.Barrier(2)

    def append(self, one: Any) -> None:
        super().append(one)
        self.both.wait(10)


def test_two_results_that_come_at_one_moment_are_written_down_at_once(settings: Any) -> None:
    """Each took the other for the one that wakes the worker."""
    settings.HELIOSTAT_POLL = 30
    settings.HOOKS = {"vehicle_too_fast": {"call": "tests.hooks.functions.slow", "when": "durable"}}
    bus = Vehicle.objects.create(name="55")
    with working() as (worker,):
        worker._results = Together()
        assert eventually(lambda: worker.problem() is None)
        for pair in range(1, 4):
            with transaction.atomic():
                run_hook("vehicle_too_fast", bus, 90.0)
                run_hook("vehicle_too_fast", bus, 91.0)
            began = time.monotonic()
            assert eventually(lambda ended=2 * pair: Callback.objects.filter(status="sent").count() == ended)
            assert time.monotonic() - began < 2


def test_importing_heliostat_needs_no_django_set_up() -> None:
    code = "import heliostat, heliostat.webhooks.verify; assert heliostat.Event"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
