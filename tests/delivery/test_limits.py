"""Limits and pauses of hooks: kept over all workers, and nobody else's concern."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from heliostat.delivery.scheduler import Scheduler
from heliostat.outbox import circuit_breaker
from heliostat.outbox.circuit_breaker import Outcomes
from heliostat.outbox.models import Callback, CircuitBreaker
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.testing.receiver import Delivery
from heliostat.webhooks import operations
from heliostat.webhooks.models import Hook
from tests.delivery.working import PATIENCE, eventually, hook_to, vehicles, working

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def untried(using: str = "default") -> list[int]:
    return list(Callback.objects.using(using).filter(status="waiting").values_list("attempts", flat=True))


def test_two_workers_together_send_a_hook_no_more_at_once_than_it_allows(using: str) -> None:
    at_once: list[int] = []

    def answer(_: Delivery) -> Answer:
        at_once.append(Callback.objects.using(using).filter(status="sending").count())
        connections[using].close()
        return Answer(delay=0.02)

    with Receiver(answers=answer) as receiver:
        hook_to(receiver, max_concurrent=2)
        vehicles(20, using)
        with working(using, workers=2):
            receiver.wait_for(20, timeout=PATIENCE)
    assert set(at_once) <= {1, 2}


def test_two_workers_together_send_no_more_a_second_than_a_hook_allows(using: str, receiver: Receiver) -> None:
    hook_to(receiver, max_per_second=20)
    vehicles(41, using)
    with working(using, workers=2):
        arrived = receiver.wait_for(41, timeout=PATIENCE)
    took = arrived[-1].seen_at - arrived[0].seen_at
    assert took > (41 - 1 - 2) / 20 * 0.95, "a tenth of a second's worth may go at once, not more"
    assert set(Callback.objects.using(using).values_list("attempts", flat=True)) == {1}


def test_a_batch_waits_for_a_rate_and_sends_all_that_is_due(receiver: Receiver) -> None:
    hook_to(receiver, max_per_second=50)
    vehicles(10)
    assert drain_outbox() == {"sent": 10}


def test_a_hook_with_a_low_rate_delays_no_other_and_does_not_keep_the_worker_busy(
    receiver: Receiver, monkeypatch: Any
) -> None:
    claims: list[float] = []
    claim = Scheduler.claim
    monkeypatch.setattr(Scheduler, "claim", lambda *given: (claims.append(time.monotonic()), claim(*given))[1])
    with Receiver() as slow:
        hook_to(slow, max_per_second=0.001)
        vehicles(50)
        with working():
            slow.wait_for(1, timeout=PATIENCE)
            hook_to(receiver)
            vehicles(1)
            receiver.wait_for(1, timeout=PATIENCE)
            began, before = time.monotonic(), len(claims)
            time.sleep(1.5)
            idle = (len(claims) - before) / (time.monotonic() - began)
        assert len(slow.deliveries) == 1
    assert idle < 5, "it looks once a second, as ever"
    assert untried() == [0] * 50


def test_a_paused_hook_is_notified_when_the_pause_ends(using: str, receiver: Receiver) -> None:
    hook = hook_to(receiver)
    operations.pause(hook)
    vehicles(3, using)
    assert drain_outbox(using) == {}
    assert untried(using) == [0, 0, 0]
    operations.resume(hook)
    assert drain_outbox(using) == {"sent": 3}


def test_a_running_worker_obeys_a_pause_and_its_end(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_POLL = 0.2
    with Receiver() as other, working():
        hook, _ = hook_to(receiver), hook_to(other)
        vehicles(1)
        receiver.wait_for(1, timeout=PATIENCE)
        operations.pause(hook)
        time.sleep(1.0)  # the limit holds within a second
        vehicles(1)
        other.wait_for(2, timeout=PATIENCE)
        assert len(receiver.deliveries) == 1
        operations.resume(hook)
        receiver.wait_for(2, timeout=PATIENCE)


def test_what_is_in_flight_when_a_pause_begins_is_finished(receiver: Receiver) -> None:
    receiver.answers = [Answer(delay=0.5)]
    hook = hook_to(receiver)
    vehicles(1)
    with working():
        receiver.wait_for(1, timeout=PATIENCE)
        operations.pause(hook)
        assert eventually(lambda: Callback.objects.get().status == "sent")


def test_many_paused_hooks_hide_nobody_behind_them(receiver: Receiver) -> None:
    with Receiver() as paused:
        for _ in range(120):  # more than are looked at in one turn
            hook_to(paused)
        Hook.objects.update(paused=True)
        hook_to(receiver)
        vehicles(1)
        assert drain_outbox() == {"sent": 1}
    assert len(receiver.deliveries) == 1


def test_sending_by_hand_obeys_pauses_and_limits_too(receiver: Receiver) -> None:
    from tests.delivery.commands import run

    hook = hook_to(receiver, paused=True)
    vehicles(1)
    run("send_callbacks", "--hook_id", hook.pk)
    assert receiver.deliveries == []


def test_a_clock_that_was_far_ahead_stops_no_hook(using: str, receiver: Receiver) -> None:
    hook = hook_to(receiver, max_per_second=100)
    CircuitBreaker.objects.using(using).create(subscriber=hook.subscriber, rate_used_until=time.time() + 86400)
    vehicles(2, using)
    assert drain_outbox(using) == {"sent": 2}


def test_a_circuit_breaker_goes_with_its_hook(receiver: Receiver) -> None:
    receiver.answers = [404]
    hook = hook_to(receiver)
    vehicles(1)
    drain_outbox()
    assert CircuitBreaker.objects.filter(pk=hook.subscriber).exists()
    hook.delete()
    assert not CircuitBreaker.objects.exists()


def test_who_recovers_has_used_up_what_it_had_used_up(using: str) -> None:
    """The row that counts the rate went with what was held against it, and it was sent more than it allows."""
    spent = time.time() + 0.9
    CircuitBreaker.objects.using(using).create(
        subscriber="hook:1", failing_since=timezone.now(), failures=1, rate_used_until=spent
    )
    CircuitBreaker.objects.using(using).create(subscriber="hook:2", failing_since=timezone.now(), failures=1)
    for name in ("hook:1", "hook:2"):
        circuit_breaker.record(name, Outcomes(has_answered=True, has_success=True), using)
    (left,) = CircuitBreaker.objects.using(using).all()
    assert (left.subscriber, left.state, left.failures) == ("hook:1", "", 0)
    assert left.rate_used_until == pytest.approx(spent)
