"""`send_callbacks`: what waits is sent here and now, and the exit status says whether it arrived."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError
from django.db import connections
from django.utils import timezone

from heliostat.delivery.management import outbox_command
from heliostat.outbox import transitions
from heliostat.outbox.models import Callback, CircuitBreaker
from heliostat.testing import Answer, Receiver
from heliostat.webhooks.models import Hook
from tests.delivery.commands import Terminal, run
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def hook_to(receiver: Receiver, path: str = "") -> Hook:
    return Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url + path)


def callbacks(using: str) -> Any:
    return Callback.objects.using(using).order_by("id")


def make(using: str, count: int = 1) -> list[int]:
    """Save so many vehicles; returns the ids of their callbacks."""
    before = set(callbacks(using).values_list("pk", flat=True))
    for index in range(count):
        Vehicle.objects.using(using).create(name=str(index))
    return sorted(set(callbacks(using).values_list("pk", flat=True)) - before)


def send(using: str, *arguments: object, **streams: Any) -> Any:
    return run("send_callbacks", "--database", using, *arguments, **streams)


def test_all_that_waits_is_sent_and_the_command_exits_with_0(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    make(using, 3)
    code, out, _ = send(using)
    assert (code, out) == (0, "3 callbacks: 3 sent.\n")
    assert [one.status for one in callbacks(using)] == ["sent"] * 3
    assert len(receiver.deliveries) == 3


def test_where_nothing_waits_that_is_well(using: str) -> None:
    assert send(using)[:2] == (0, "Nothing waits.\n")


def test_what_waits_for_its_next_attempt_is_sent_too(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    make(using)
    callbacks(using).update(due_at=timezone.now() + timedelta(hours=5), attempts=3)
    assert send(using).code == 0
    callback = callbacks(using).get()
    assert (callback.status, callback.attempts) == ("sent", 4)


def test_what_fails_exits_with_1_and_goes_on_waiting(using: str, receiver: Receiver) -> None:
    receiver.answers = [Answer(503), Answer(200)]
    hook_to(receiver)
    make(using, 2)
    code, out, _ = send(using)
    assert (code, out) == (1, "2 callbacks: 1 sent, 1 failed.\n")
    waiting = callbacks(using).get(status="waiting")
    assert waiting.status_details == "503 Service Unavailable"
    assert waiting.due_at > timezone.now()


def test_only_those_of_one_hook_are_sent(using: str, receiver: Receiver) -> None:
    wanted, other = hook_to(receiver, "wanted"), hook_to(receiver, "other")
    make(using, 2)
    code, out, _ = send(using, "--hook_id", wanted.pk)
    assert (code, out) == (0, "2 callbacks: 2 sent.\n")
    assert {delivery.path for delivery in receiver.deliveries} == {"/wanted"}
    assert set(callbacks(using).filter(subscriber=f"hook:{other.pk}").values_list("status", flat=True)) == {"waiting"}


def test_only_the_mentioned_ones_are_sent_however_many_wait_before_them(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    ids = make(using, 5)
    code, out, _ = send(using, "--callback", ids[2], ids[4], ids[4])
    assert (code, out) == (0, "2 callbacks: 2 sent.\n")
    assert [one.status for one in callbacks(using)] == ["waiting", "waiting", "sent", "waiting", "sent"]


@pytest.mark.parametrize("status", ["sent", "error", "cancelled"])
def test_a_mentioned_one_that_ended_is_sent_again_with_the_same_id(using: str, receiver: Receiver, status: str) -> None:
    hook_to(receiver)
    (id_,) = make(using)
    send(using)
    callbacks(using).update(status=status)
    assert send(using, "--callback", id_).code == 0
    first, second = receiver.deliveries
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert callbacks(using).get().status == "sent"


def test_a_mentioned_one_that_does_not_exist_is_named_and_exits_with_1(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    (id_,) = make(using)
    assert send(using, "--callback", id_ + 1)[:2] == (1, "1 callback: 1 not found.\n")
    assert callbacks(using).get().status == "waiting"
    assert send(using, "--callback", id_, id_ + 1)[:2] == (1, "2 callbacks: 1 sent, 1 not found.\n")


def test_a_mentioned_one_changes_no_other_circuit_breaker(using: str) -> None:
    CircuitBreaker.objects.using(using).create(
        subscriber="hook:7", openings=1, open_until=timezone.now() + timedelta(hours=1)
    )
    assert send(using, "--callback", 999_999).code == 1
    assert CircuitBreaker.objects.using(using).get().state == "open"


def test_what_another_worker_is_sending_is_left_alone(using: str, receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_REQUEST_TIMEOUT = 0.2
    hook = hook_to(receiver)
    (id_,) = make(using)
    (claimed,) = transitions.claim({f"hook:{hook.pk}": 1}, using)
    assert send(using, "--callback", id_)[:2] == (1, "1 callback: 1 being sent by another worker.\n")
    assert send(using)[:2] == (0, "Nothing waits.\n")
    assert callbacks(using).get().claim_token == claimed.token
    assert receiver.deliveries == []


def test_what_another_worker_sends_meanwhile_counts(using: str, receiver: Receiver) -> None:
    hook = hook_to(receiver)
    (id_,) = make(using)
    (claimed,) = transitions.claim({f"hook:{hook.pk}": 1}, using)

    def finish() -> None:
        time.sleep(0.3)
        result = transitions.Result(
            claimed=claimed, outcome="sent", details="200 OK", started_at=timezone.now(), duration=0.3
        )
        transitions.record_results([result], using)
        connections.close_all()

    thread = threading.Thread(target=finish)
    thread.start()
    code, out, _ = send(using, "--callback", id_)
    thread.join()
    assert (code, out) == (0, "1 callback: 1 sent.\n")


def test_a_hook_that_is_gone_is_not_called_a_success(using: str, receiver: Receiver) -> None:
    hook = hook_to(receiver)
    make(using)
    Hook.objects.filter(pk=hook.pk).update(enabled=False)
    assert send(using)[:2] == (1, "1 callback: 1 cancelled.\n")


def test_a_signal_finishes_what_is_in_flight_and_leaves_the_rest_waiting(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1
    receiver.answers = [Answer(delay=0.5)] * 3
    hook_to(receiver)
    make("default", 3)
    before = signal.getsignal(signal.SIGTERM)

    def interrupt() -> None:
        receiver.wait_for(1)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    code, out, _ = send("default")
    thread.join()
    assert (code, out) == (1, "1 callback: 1 sent. Stopped before the end.\n")
    assert [one.status for one in callbacks("default")] == ["sent", "waiting", "waiting"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_is_silent_where_that_is_wished(using: str, receiver: Receiver) -> None:
    receiver.answers = [Answer(503)]
    hook_to(receiver)
    make(using)
    assert send(using, "--verbosity", 0, err=Terminal()) == (1, "", "")


def test_a_long_run_shows_a_person_how_far_it_is(receiver: Receiver, monkeypatch: Any) -> None:
    monkeypatch.setattr(outbox_command, "EVERY", 0.1)
    receiver.answers = [Answer(delay=0.5)]
    hook_to(receiver)
    make("default")
    drawn = send("default", err=Terminal()).err
    assert "] 0 of 1 callback\r" in drawn
    assert drawn.endswith("] 1 of 1 callback\n")
    make("default")
    assert send("default").err == "", "a file or a pipe is not a person"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--hook_id", "0"),
        ("--hook_id", 2**63),
        ("--callback", "x"),
        ("--callback", 2**63),
        ("--callback",),
        ("--hook_id", 1, "--callback", 1),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(CommandError):
        send("default", *arguments)
