"""The circuit breaker: a receiver in trouble is left alone, and costs its callbacks nothing."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.utils import timezone

from heliostat.delivery.scheduler import Scheduler
from heliostat.outbox import circuit_breaker, transitions
from heliostat.outbox.dialect import Claimed, moment
from heliostat.outbox.models import Callback, CircuitBreaker
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.testing.receiver import Delivery
from tests.delivery.commands import run
from tests.delivery.working import PATIENCE, eventually, hook_to, vehicles, working

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture(autouse=True)
def soon_open(settings: Any) -> None:
    settings.HELIOSTAT_BREAKER_FAILURES = 3
    settings.HELIOSTAT_BREAKER_FIRST = settings.HELIOSTAT_BREAKER_LONGEST = 3600  # longer than a slow machine takes
    settings.HELIOSTAT_RETRY_FIRST = 0
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 3


def attempts(using: str) -> int:
    return sum(Callback.objects.using(using).values_list("attempts", flat=True))


def let_time_pass(using: str) -> None:
    CircuitBreaker.objects.using(using).update(open_until=timezone.now())


def test_a_receiver_that_fails_in_a_row_is_left_alone_and_what_waits_loses_no_attempt(
    using: str, receiver: Receiver
) -> None:
    receiver.answers = lambda _: Answer(503)
    hook_to(receiver)
    vehicles(50, using)
    drain_outbox(using)
    assert 3 <= len(receiver.deliveries) <= 6
    assert attempts(using) == len(receiver.deliveries)
    drain_outbox(using)
    assert attempts(using) == len(receiver.deliveries) <= 6, "its circuit breaker is open"


@pytest.mark.parametrize("status", [429, 500, 503, 599])
def test_the_breaker_opens_at_the_threshold_and_not_a_failure_later(
    status: int, receiver: Receiver, settings: Any
) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1  # one after the other
    receiver.answers = lambda _: Answer(status)
    hook_to(receiver)
    vehicles(10)
    drain_outbox()
    assert len(receiver.deliveries) == 3
    assert CircuitBreaker.objects.get().openings == 1


@pytest.mark.parametrize("status", [300, 400, 428, 430, 499])
def test_an_answer_that_speaks_of_no_trouble_does_not_open_the_breaker(
    status: int, receiver: Receiver, settings: Any
) -> None:
    settings.HELIOSTAT_MAX_ATTEMPTS = 2
    receiver.answers = lambda _: Answer(status)
    hook_to(receiver)
    vehicles(5)
    drain_outbox()
    assert len(receiver.deliveries) == 5 * 2, "each callback is tried as often as allowed"
    assert not CircuitBreaker.objects.get().openings


@pytest.mark.sweep
def test_a_receiver_that_has_recovered_gets_few_requests_at_first_and_then_more(using: str, settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 16
    answered: list[int] = []
    before: list[int] = []  # how many were answered when each began

    def answer(delivery: Delivery) -> Answer:
        if delivery.number <= tried:
            return Answer(503)
        before.append(len(answered))
        threading.Timer(0.3, answered.append, [delivery.number]).start()  # counted before it is answered
        return Answer(delay=0.6)

    tried = 1_000_000
    with Receiver(answers=answer) as receiver:
        hook_to(receiver)
        vehicles(40, using)
        drain_outbox(using)
        tried = len(receiver.deliveries)
        let_time_pass(using)
        drain_outbox(using)
    assert before.count(0) == 1, "the probe"
    assert before.count(1) <= 2, "two at most until one of them is answered"
    at_once = [number - done for number, done in enumerate(before, start=1)]
    assert max(at_once) > 4, "in the end as many as are allowed"
    assert set(Callback.objects.using(using).values_list("status", flat=True)) == {"sent"}


def test_a_connection_that_is_refused_counts_and_404_does_not(using: str, receiver: Receiver) -> None:
    with Receiver() as dead:
        hook_to(dead)
    receiver.answers = lambda _: Answer(404)
    hook = hook_to(receiver)
    vehicles(20, using)
    drain_outbox(using)
    assert len(receiver.deliveries) == 20 * 12, "it answers: each callback is tried as often as allowed"
    assert not CircuitBreaker.objects.using(using).get(pk=hook.subscriber).openings
    assert CircuitBreaker.objects.using(using).filter(openings=1).count() == 1


def test_one_probe_is_let_through_and_the_pause_grows_to_its_bound(using: str, receiver: Receiver, settings) -> None:
    settings.HELIOSTAT_BREAKER_FIRST = 100
    settings.HELIOSTAT_BREAKER_LONGEST = 300
    receiver.answers = lambda _: Answer(500)
    hook_to(receiver)
    vehicles(20, using)
    drain_outbox(using)
    tried, pauses = len(receiver.deliveries), []
    for number in range(1, 4):
        breaker = CircuitBreaker.objects.using(using).get()
        pauses.append((breaker.open_until - timezone.now()).total_seconds())
        let_time_pass(using)
        drain_outbox(using)
        assert len(receiver.deliveries) == tried + number, "one, to see whether it is well"
    assert 75 < pauses[0] < 125
    assert 155 < pauses[1] < 245
    assert 235 < pauses[2] < 365


def test_a_success_closes_the_circuit_breaker_and_all_that_waits_is_sent(using: str, receiver: Receiver) -> None:
    receiver.answers = [500] * 3
    hook_to(receiver)
    vehicles(20, using)
    drain_outbox(using)
    let_time_pass(using)
    drain_outbox(using)
    assert set(Callback.objects.using(using).values_list("status", flat=True)) == {"sent"}
    assert not CircuitBreaker.objects.using(using).exists(), "who is well leaves no trace"


def test_a_success_in_between_keeps_the_circuit_breaker_closed(using: str, receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1
    receiver.answers = [500, 500, 200] * 10
    hook_to(receiver)
    vehicles(10, using)
    drain_outbox(using)
    assert set(Callback.objects.using(using).values_list("status", flat=True)) == {"sent"}


def test_two_workers_send_one_probe(using: str, receiver: Receiver) -> None:
    receiver.answers = lambda delivery: Answer(503, delay=0.5 if delivery.number > 6 else 0)
    hook = hook_to(receiver)
    vehicles(30, using)
    drain_outbox(using)
    tried = len(receiver.deliveries)
    let_time_pass(using)
    with working(using, workers=2):
        receiver.wait_for(tried + 1, timeout=PATIENCE)
        assert eventually(lambda: CircuitBreaker.objects.using(using).get().openings == 2)
    assert len(receiver.deliveries) == tried + 1
    assert circuit_breaker.states([hook.subscriber], using) == {hook.subscriber: "open"}


def test_retry_after_pauses_the_hook_and_not_only_the_one_callback(using: str, receiver: Receiver, settings) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1
    receiver.answers = lambda _: Answer(429, {"Retry-After": "600"})
    hook_to(receiver)
    vehicles(20, using)
    drain_outbox(using)
    assert len(receiver.deliveries) == 1
    wait = (CircuitBreaker.objects.using(using).get().open_until - timezone.now()).total_seconds()
    assert 590 < wait < 730


def test_a_person_who_sends_by_hand_sends_a_probe(receiver: Receiver) -> None:
    receiver.answers = [500] * 4
    hook = hook_to(receiver)
    vehicles(10)
    drain_outbox()
    tried = len(receiver.deliveries)
    run("send_callbacks", "--hook_id", hook.pk)
    assert tried < len(receiver.deliveries) <= tried + 1 or Callback.objects.filter(status="sent").count() == 10


def test_many_receivers_that_recover_at_once_are_not_all_called_at_once(using: str, settings: Any) -> None:
    settings.HELIOSTAT_BREAKER_FIRST = 100
    with Receiver(answers=lambda _: Answer(503)) as receiver:
        for _ in range(20):
            hook_to(receiver)
        vehicles(3, using)
        drain_outbox(using)
    ends = sorted(CircuitBreaker.objects.using(using).values_list("open_until", flat=True))
    assert len(ends) == 20
    assert (ends[-1] - ends[0]).total_seconds() > 10


def test_an_open_circuit_breaker_hides_nobody_behind_it(using: str, receiver: Receiver) -> None:
    with Receiver() as dead:
        hooks = [hook_to(dead) for _ in range(120)]
    vehicles(1, using)
    CircuitBreaker.objects.using(using).bulk_create(
        [CircuitBreaker(subscriber=hook.subscriber, openings=1) for hook in hooks]
    )
    CircuitBreaker.objects.using(using).update(open_until=moment(using, 600))
    hook_to(receiver)
    vehicles(1, using)
    assert drain_outbox(using) == {"sent": 1}


def test_when_nobody_is_there_any_more_what_waits_is_cancelled_at_once(using: str, receiver: Receiver) -> None:
    from heliostat.webhooks import operations

    receiver.answers = lambda _: Answer(503)
    hook = hook_to(receiver)
    vehicles(20, using)
    drain_outbox(using)
    operations.disable(hook)
    let_time_pass(using)
    drain_outbox(using)
    assert set(Callback.objects.using(using).values_list("status", flat=True)) == {"cancelled"}


def test_who_is_well_costs_no_statement(using: str, receiver: Receiver, django_assert_num_queries: Any) -> None:
    from django.db import connections

    vehicles_hook = hook_to(receiver)
    vehicles(3, using)
    results = [
        transitions.Result(claimed=one, outcome="sent", details="", started_at=timezone.now(), duration=0)
        for one in transitions.claim({vehicles_hook.subscriber: 3}, using)
    ]
    with django_assert_num_queries(0, connection=connections[using]):
        Scheduler(using).learn(results)


def test_what_was_in_flight_does_not_end_a_pause_that_was_asked_for(using: str, receiver: Receiver, settings) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 2
    receiver.answers = [Answer(429, {"Retry-After": "600"}), Answer(200, delay=0.5)]
    hook_to(receiver)
    vehicles(20, using)
    drain_outbox(using)
    assert len(receiver.deliveries) == 2
    let_time_pass(using)
    drain_outbox(using)
    assert len(receiver.deliveries) > 18, "once the pause is over, a success ends it"


def test_circuit_breakers_are_locked_in_one_order_so_that_two_workers_do_not_deadlock(monkeypatch: Any) -> None:
    locked: list[str] = []
    monkeypatch.setattr(circuit_breaker, "record", lambda name, *_: locked.append(name))
    results = [
        transitions.Result(
            claimed=Claimed(number, f"hook:{number}", 1, "0a", None, None, 1),
            outcome="retry",
            details="",
            started_at=timezone.now(),
            duration=0,
        )
        for number in (3, 1, 2)
    ]
    Scheduler("default").learn(results)
    assert locked == ["hook:1", "hook:2", "hook:3"]
