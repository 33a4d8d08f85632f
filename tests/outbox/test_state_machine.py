"""Every interleaving of two workers, tried at random against a small model of what may be true."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from heliostat.events.event import Event, Phase
from heliostat.events.subscriptions import Subscription
from heliostat.outbox import transitions
from heliostat.outbox.dialect import Claimed
from heliostat.outbox.models import Attempt, Callback
from heliostat.outbox.retention import delete_ended
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result
from heliostat.outbox.write import write
from tests.outbox.callbacks import forget_all
from tests.outbox.exploring import explore

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

MAX_ATTEMPTS = 2
SUBSCRIBERS = ("hook:1", "hook:2")
MANY = 4  # few callbacks meet more often
AFTER = {SENT: "sent", GIVE_UP: "error", CANCEL: "cancelled"}
LONG_AGO = timedelta(hours=-1)

workers = st.sampled_from(("Ada", "Ben"))
subscribers = st.sampled_from(SUBSCRIBERS)
indices = st.integers(0, MANY)
outcomes = st.sampled_from((SENT, RETRY, GIVE_UP, CANCEL))


@dataclass
class Expected:
    """What the model knows of a callback. `holder` and `token` are set while it is being sent."""

    subscriber: str
    status: str = "waiting"
    attempts: int = 0
    due: bool = True
    holder: str | None = None
    token: int | None = None
    expired: bool = False
    logged: int = 0

    @property
    def lease(self) -> str:
        return "none" if self.status != "sending" else "over" if self.expired else "running"

    def end(self, status: str) -> None:
        self.status, self.holder, self.token, self.expired = status, None, None, False


class Interleavings(RuleBasedStateMachine):
    """Ada and Ben claim, record, renew and lose callbacks; others expire, cancel, retry now, resend and delete them."""

    using = "default"

    def __init__(self) -> None:
        super().__init__()
        forget_all(self.using)
        self.expected: dict[int, Expected] = {}
        self.hands: dict[str, list[Claimed]] = {"Ada": [], "Ben": []}

    @rule(names=st.lists(subscribers, min_size=1, max_size=2, unique=True))
    @precondition(lambda self: len(self.expected) < MANY)
    def callbacks_for(self, names: list[str]) -> None:
        event = Event(resource="example.vehicle", action="created", object_id="1")
        write([(event, [Subscription(name=name, pattern="*", phase=Phase.DURABLE) for name in names])], self.using)
        for callback in Callback.objects.using(self.using).filter(event_id=event.id):
            self.expected[callback.pk] = Expected(callback.subscriber)

    @precondition(lambda self: self.any(self.ready))
    @rule(worker=workers, names=st.sets(subscribers, min_size=1), free=st.integers(1, 3))
    def claim(self, worker: str, names: set[str], free: int) -> None:
        claimed = transitions.claim(dict.fromkeys(names, free), self.using)
        for name in names:
            ready = [one for one in self.expected.values() if one.subscriber == name and self.ready(one)]
            assert sum(one.subscriber == name for one in claimed) == min(free, len(ready))
        self.take(worker, claimed)

    @precondition(lambda self: self.any(self.ready))
    @rule(worker=workers, chosen=st.sets(indices, min_size=1))
    def claim_by_id(self, worker: str, chosen: set[int]) -> None:
        ids = self.chosen(chosen)
        claimed = transitions.claim(dict.fromkeys(SUBSCRIBERS, MANY), self.using, ids) if ids else []
        assert {one.id for one in claimed} == {id_ for id_ in ids if self.ready(self.expected[id_])}
        self.take(worker, claimed)

    def take(self, worker: str, claimed: list[Claimed]) -> None:
        for one in claimed:
            callback = self.expected[one.id]
            assert self.ready(callback), "it was not there to be taken"
            callback.status, callback.holder, callback.token = "sending", worker, one.token
            callback.attempts += 1
            assert one.attempts == callback.attempts
        self.hands[worker] += claimed

    @staticmethod
    def ready(callback: Expected) -> bool:
        return callback.status == "waiting" and callback.due

    @precondition(lambda self: any(self.hands.values()))
    @rule(index=indices, outcome=outcomes)
    def record(self, index: int, outcome: str) -> None:
        claimed = self.let_go(index)
        transitions.record_results([self.result(claimed, outcome)], self.using)
        self.is_recorded(claimed, outcome)

    @precondition(lambda self: any(self.hands.values()))
    @rule(worker=workers, outcomes=st.lists(outcomes, min_size=1, max_size=3))
    def record_all(self, worker: str, outcomes: list[str]) -> None:
        """In one batch: what it has lost, and claimed again, as well."""
        hand, self.hands[worker] = self.hands[worker], []
        recorded = [(claimed, outcomes[number % len(outcomes)]) for number, claimed in enumerate(hand)]
        transitions.record_results([self.result(*one) for one in recorded], self.using)
        for claimed, outcome in recorded:
            self.is_recorded(claimed, outcome)

    @staticmethod
    def result(claimed: Claimed, outcome: str) -> Result:
        return Result(claimed=claimed, outcome=outcome, details="", started_at=timezone.now(), duration=0)

    def is_recorded(self, claimed: Claimed, outcome: str) -> None:
        if (callback := self.expected.get(claimed.id)) is None:
            return
        callback.logged += 1
        if not self.holds(claimed):
            return
        if outcome == RETRY and callback.attempts < MAX_ATTEMPTS:
            callback.end("waiting")
            callback.due = False
        else:
            callback.end(AFTER.get(outcome, "error"))

    @precondition(lambda self: any(self.hands.values()))
    @rule(worker=workers)
    def renew(self, worker: str) -> None:
        """A worker renews all that it believes to hold, what it has lost as well."""
        transitions.renew(self.hands[worker], self.using)
        for claimed in self.hands[worker]:
            if self.holds(claimed):
                self.expected[claimed.id].expired = False

    @precondition(lambda self: self.any(lambda one: one.status == "sending"))
    @rule(worker=workers)
    def fall_silent(self, worker: str) -> None:
        """The leases of a worker run out, while it may live and go on."""
        held = [id_ for id_, one in self.expected.items() if one.holder == worker]
        Callback.objects.using(self.using).filter(pk__in=held).update(lease_until=timezone.now() + LONG_AGO)
        for id_ in held:
            self.expected[id_].expired = True

    @precondition(lambda self: self.any(lambda one: one.expired))
    @rule()
    def rescue(self) -> None:
        lost = [one for one in self.expected.values() if one.expired]
        assert transitions.rescue(self.using) == len(lost)
        for one in lost:
            one.end("error" if one.attempts >= MAX_ATTEMPTS else "waiting")

    @precondition(lambda self: self.any(lambda one: not one.due))
    @rule()
    def let_time_pass(self) -> None:
        Callback.objects.using(self.using).update(due_at=timezone.now() + LONG_AGO)
        for one in self.expected.values():
            one.due = True

    @precondition(lambda self: self.any(lambda one: one.status in AFTER.values()))
    @rule(chosen=st.sets(indices))
    def resend(self, chosen: set[int]) -> None:
        ids = self.chosen(chosen)
        ended = [self.expected[id_] for id_ in ids if self.expected[id_].status in AFTER.values()]
        assert transitions.resend(ids, self.using) == len(ended)
        for one in ended:
            one.end("waiting")
            one.attempts, one.due = 0, True

    @precondition(lambda self: self.any(lambda one: one.status == "waiting" and not one.due))
    @rule(name=st.one_of(st.just(""), subscribers))
    def retry_now(self, name: str) -> None:
        later = [one for one in self.expected.values() if one.status == "waiting" and not one.due]
        later = [one for one in later if name in ("", one.subscriber)]
        assert transitions.retry_now(self.using, subscriber=name) == len(later)
        for one in later:
            one.due = True

    @precondition(lambda self: self.any(lambda one: one.status in AFTER.values()))
    @rule()
    def delete_what_ended(self) -> None:
        """Somebody who was too slow may still believe to hold one of these."""
        ended = [id_ for id_, one in self.expected.items() if one.status in AFTER.values()]
        deleted = sum((rows.callbacks for rows in delete_ended(timezone.now() - LONG_AGO, self.using)), start=0)
        assert deleted == len(ended)
        for id_ in ended:
            del self.expected[id_]

    @invariant()
    def the_rows_are_as_expected(self) -> None:
        """So nothing vanishes, what is sent stays sent, and who lost a callback has changed nothing."""
        rows = {row.pk: self.facts(row) for row in Callback.objects.using(self.using).all()}
        assert rows == {
            id_: (one.status, one.attempts, one.token, one.due, one.lease) for id_, one in self.expected.items()
        }
        assert all(one.attempts <= MAX_ATTEMPTS for one in self.expected.values())

    @invariant()
    def a_callback_is_in_one_worker_s_hands_at_most(self) -> None:
        held = [claimed.id for hand in self.hands.values() for claimed in hand if self.holds(claimed)]
        assert sorted(held) == sorted(id_ for id_, one in self.expected.items() if one.status == "sending")

    @invariant()
    def every_attempt_is_in_the_log(self) -> None:
        assert Attempt.objects.using(self.using).count() == sum(one.logged for one in self.expected.values())

    @staticmethod
    def facts(row: Callback) -> tuple[Any, ...]:
        now, until = timezone.now(), row.lease_until
        lease = "none" if until is None else "over" if until < now else "running"
        return row.status, row.attempts, row.claim_token, row.due_at <= now, lease

    def holds(self, claimed: Claimed) -> bool:
        return claimed.id in self.expected and self.expected[claimed.id].token == claimed.token

    def chosen(self, indices: set[int]) -> list[int]:
        return [id_ for index, id_ in enumerate(self.expected) if index in indices]

    def let_go(self, index: int) -> Claimed:
        """One of those that a worker believes to hold."""
        believed = [(hand, claimed) for hand in self.hands.values() for claimed in hand]
        hand, claimed = believed[index % len(believed)]
        hand.remove(claimed)
        return claimed

    def any(self, wanted: Callable[[Expected], bool]) -> bool:
        return any(map(wanted, self.expected.values()))


@pytest.mark.sweep
def test_whatever_two_workers_do_in_whatever_order(using: str, settings: Any) -> None:
    settings.HELIOSTAT_MAX_ATTEMPTS = MAX_ATTEMPTS
    settings.HELIOSTAT_RETRY_FIRST = 3600.0  # a retry is due when time passes, not by itself
    explore(Interleavings, using, examples=50 if using == "default" else 20, steps=40)
