"""Every interleaving of two workers over ordered callbacks, tried at random, and two real ones side by side."""

from __future__ import annotations

import random
import threading
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from heliostat.events.event import Event, Phase
from heliostat.events.subscriptions import Subscription
from heliostat.outbox import transitions
from heliostat.outbox.dialect import Claimed
from heliostat.outbox.models import Callback
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result
from heliostat.outbox.write import write
from tests.outbox.callbacks import forget_all
from tests.outbox.exploring import explore

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

HOOK = Subscription(name="hook:1", pattern="*", phase=Phase.DURABLE, ordered=True)
LONG_AGO = timedelta(hours=-1)
MANY = 5
ENDED = ("sent", "error", "cancelled")


def happens(using: str, object_id: str) -> None:
    write([(Event(resource="example.vehicle", action="updated", object_id=object_id), [HOOK])], using)


def record(using: str, claimed: Claimed, outcome: str) -> None:
    now = timezone.now()
    transitions.record_results(
        [Result(claimed=claimed, outcome=outcome, details="", started_at=now, duration=0)], using
    )


class OrderingKeys(RuleBasedStateMachine):
    """Rows are what is true; the rules only say what may be claimed, and that nothing is forgotten."""

    using = "default"

    def __init__(self) -> None:
        super().__init__()
        forget_all(self.using)
        self.hands: list[Claimed] = []
        self.later: set[int] = set()  # failed, and not due again before time passes

    def rows(self) -> list[Callback]:
        return list(Callback.objects.using(self.using).order_by("id"))

    def first(self) -> dict[str | None, Callback]:
        """Of each ordering key: what is being sent, or else the oldest that waits."""
        first: dict[str | None, Callback] = {}
        for row in sorted(self.rows(), key=lambda row: (row.status != "sending", row.pk)):
            if row.status in ("waiting", "sending"):
                first.setdefault(row.ordering_key, row)
        return first

    @precondition(lambda self: len(self.rows()) < MANY)
    @rule(object_id=st.sampled_from("12"))
    def callbacks_for(self, object_id: str) -> None:
        happens(self.using, object_id)

    @rule(free=st.integers(1, 3))
    def claim(self, free: int) -> None:
        may = {one.pk for one in self.first().values() if one.status == "waiting" and one.pk not in self.later}
        claimed = transitions.claim({"hook:1": free}, self.using)
        assert {one.id for one in claimed} <= may, "its turn has not come"
        if free > 1 or not may:  # there are two ordering keys
            assert {one.id for one in claimed} == may, "its turn has come, and nobody takes it"
        self.hands += claimed

    @precondition(lambda self: self.hands)
    @rule(index=st.integers(0, MANY), outcome=st.sampled_from((SENT, RETRY, GIVE_UP, CANCEL)))
    def record(self, index: int, outcome: str) -> None:
        claimed = self.hands.pop(index % len(self.hands))
        held = Callback.objects.using(self.using).filter(pk=claimed.id, claim_token=claimed.token).exists()
        record(self.using, claimed, outcome)
        if held and outcome == RETRY and claimed.attempts < 2:
            self.later.add(claimed.id)
        elif held:  # who is first now is due, also if it had failed before
            self.later -= {one.pk for one in self.first().values() if one.ordering_key == claimed.ordering_key}

    @precondition(lambda self: self.hands)
    @rule()
    def die(self) -> None:
        sending = Callback.objects.using(self.using).filter(status="sending")
        sending.update(lease_until=timezone.now() + LONG_AGO)
        spent = [one.ordering_key for one in self.first().values() if one.status == "sending" and one.attempts >= 2]
        transitions.rescue(self.using)
        self.later -= {one.pk for one in self.first().values() if one.ordering_key in spent}

    @rule()
    def let_time_pass(self) -> None:
        Callback.objects.using(self.using).filter(pk__in=self.later).update(due_at=timezone.now() + LONG_AGO)
        self.later.clear()

    @rule(chosen=st.sets(st.integers(0, MANY)))
    def resend(self, chosen: set[int]) -> None:
        ids = [row.pk for index, row in enumerate(self.rows()) if index in chosen and row.status in ENDED]
        transitions.resend(ids, self.using)
        self.later -= set(ids)

    @invariant()
    def no_two_of_an_ordering_key_are_being_sent(self) -> None:
        keys = [row.ordering_key for row in self.rows() if row.status == "sending"]
        assert len(keys) == len(set(keys))


@pytest.mark.sweep
def test_whatever_two_workers_do_in_whatever_order(using: str, settings: Any) -> None:
    settings.HELIOSTAT_MAX_ATTEMPTS = 2
    settings.HELIOSTAT_RETRY_FIRST = 3600.0
    explore(OrderingKeys, using, examples=30 if using == "default" else 8, steps=30)


class Site:
    """What two workers did, as they saw it."""

    def __init__(self, using: str, many: int) -> None:
        self.using, self.many = using, many
        self.guard = threading.Lock()
        self.in_flight: set[str | None] = set()
        self.ended: defaultdict[str | None, list[int]] = defaultdict(list)
        self.problems: list[str] = []

    def work(self, seed: int) -> None:
        chance = random.Random(seed)
        deadline = timezone.now() + timedelta(seconds=60)
        while sum(map(len, self.ended.values())) < self.many and timezone.now() < deadline:
            claimed = transitions.claim({"hook:1": chance.randint(1, 3)}, self.using)
            self.take(claimed)
            for one in claimed:
                self.notify(one, chance.choice((SENT, SENT, GIVE_UP, RETRY)))
        connections[self.using].close()

    def take(self, claimed: list[Claimed]) -> None:
        with self.guard:
            self.problems += [
                f"two of {one.ordering_key} at once" for one in claimed if one.ordering_key in self.in_flight
            ]
            self.in_flight.update(one.ordering_key for one in claimed)

    def notify(self, one: Claimed, outcome: str) -> None:
        with self.guard:  # before the other can see what came of it
            self.in_flight.discard(one.ordering_key)
            if outcome in (SENT, GIVE_UP):
                self.ended[one.ordering_key].append(one.id)
        record(self.using, one, outcome)


def test_two_workers_at_once_never_have_two_of_one_object(using: str, settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0.0
    site = Site(using, 36)
    for index in range(36):
        happens(using, str(index % 3))
    threads = [threading.Thread(target=site.work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert site.problems == []
    assert sum(map(len, site.ended.values())) == 36, "nobody is left waiting for a turn that never comes"
    assert all(ids == sorted(ids) for ids in site.ended.values())
