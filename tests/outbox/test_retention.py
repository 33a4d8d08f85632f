"""Deleting old callbacks: what is still to be done stays, what is left over goes with it."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from heliostat.outbox import retention, transitions
from heliostat.outbox.models import Attempt, Callback, Event
from heliostat.outbox.retention import Rows, count_ended, delete_ended
from heliostat.outbox.transitions import CANCEL, GIVE_UP, SENT
from tests.outbox.callbacks import callbacks_for, ended

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def delete_older_than(days: float, using: str) -> Rows:
    return sum(delete_ended(timezone.now() - timedelta(days=days), using), Rows())


def rows(using: str) -> Rows:
    callbacks, attempts, events = (model.objects.using(using).count() for model in (Callback, Attempt, Event))
    return Rows(callbacks, attempts, events)


@pytest.mark.parametrize("outcome", [SENT, GIVE_UP, CANCEL])
def test_what_ended_long_ago_is_deleted_with_its_attempts_and_its_event(using: str, outcome: str) -> None:
    ended(using, "hook:1", outcome=outcome, days=40)
    (recent,) = ended(using, "hook:1", outcome=outcome, days=20)
    assert delete_older_than(30, using) == Rows(1, 1, 1)
    assert rows(using) == Rows(1, 1, 1)
    assert Callback.objects.using(using).get() == recent


@pytest.mark.parametrize("status", ["waiting", "sending"])
def test_what_is_still_waiting_or_being_sent_is_never_deleted(using: str, status: str) -> None:
    callbacks_for(using, "hook:1", status=status, created_at=timezone.now() - timedelta(days=4000))
    assert delete_older_than(0, using) == Rows()
    assert rows(using) == Rows(callbacks=1, events=1)


def test_an_event_stays_while_anybody_is_still_to_be_notified_of_it(using: str) -> None:
    _, waits = ended(using, "hook:1", "hook:2", days=40)
    transitions.resend([waits.pk], using)
    assert delete_older_than(30, using) == Rows(1, 1, 0)
    assert rows(using) == Rows(1, 1, 1)
    Callback.objects.using(using).filter(pk=waits.pk).update(status="sent")
    assert delete_older_than(30, using) == Rows(1, 1, 1)
    assert rows(using) == Rows()


def for_nobody(using: str, *, days: float, matched: bool = True) -> None:
    facts = {"resource": "example.vehicle", "action": "updated", "body": "{}", "context": "{}", "matched": matched}
    then = timezone.now() - timedelta(days=days)
    Event.objects.using(using).create(id=uuid.uuid4(), created_at=then, **facts)


def test_what_another_program_wrote_and_nobody_asked_for_goes_when_it_is_old(using: str) -> None:
    for days, matched in ((40, True), (40, True), (40, False), (20, True)):
        for_nobody(using, days=days, matched=matched)
    callbacks_for(using, "hook:1", created_at=timezone.now() - timedelta(days=40))
    Event.objects.using(using).filter(callbacks__isnull=False).update(created_at=timezone.now() - timedelta(days=40))
    assert count_ended(timezone.now() - timedelta(days=30), using) == Rows(events=2)
    assert delete_older_than(30, using) == Rows(events=2)
    assert rows(using) == Rows(callbacks=1, events=3), "one is to be matched yet, one is new, one waits"


def test_what_nobody_asked_for_is_not_looked_for_again_before_each_batch(using: str, monkeypatch: Any) -> None:
    """MariaDB looks through all events, and sorts the old ones, each time: for a million, half an hour."""
    monkeypatch.setattr(retention, "BATCH", 1)
    monkeypatch.setattr(retention, "LOOKED_UP", 3, raising=False)
    for _ in range(5):
        for_nobody(using, days=40)
    with CaptureQueriesContext(connections[using]) as queries:
        assert delete_older_than(30, using) == Rows(events=5)
    looks = [query for query in queries if query["sql"].startswith("SELECT") and "EXISTS" in query["sql"]]
    assert len(looks) == 3, "for three, for two, and whether there are more"


def test_many_are_deleted_in_batches_and_every_one_is(using: str, monkeypatch: Any) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    for _ in range(4):
        ended(using, "hook:1", "hook:2", days=40)
    batches = list(delete_ended(timezone.now(), using))
    assert [batch.callbacks for batch in batches] == [3, 3, 2]
    assert rows(using) == Rows()


def test_what_is_sent_again_in_the_meantime_is_left_alone(using: str, monkeypatch: Any) -> None:
    ended(using, "hook:1", days=40)
    (again,) = ended(using, "hook:1", days=40)
    real, found = retention._ended, list[Any]()

    def somebody_is_quicker(*arguments: Any) -> Any:
        if found:
            transitions.resend([again.pk], using)
        found.append(real(*arguments))
        return found[-1]

    monkeypatch.setattr(retention, "_ended", somebody_is_quicker)
    assert delete_older_than(30, using) == Rows(1, 1, 1)
    assert Callback.objects.using(using).get().status == "waiting"


def test_the_count_beforehand_is_what_is_then_deleted(using: str) -> None:
    ended(using, "hook:1", "hook:2", days=40)
    _, waits = ended(using, "hook:1", "hook:2", days=40)
    transitions.resend([waits.pk], using)
    ended(using, "hook:1", days=1)
    counted = count_ended(timezone.now() - timedelta(days=30), using)
    assert counted == Rows(3, 3, 1)
    assert delete_older_than(30, using) == counted


def test_a_worker_that_comes_late_to_a_deleted_callback_goes_on_with_the_others(using: str) -> None:
    callbacks_for(using, "hook:1", "hook:2")
    claimed = transitions.claim({"hook:1": 1, "hook:2": 1}, using)
    Callback.objects.using(using).filter(subscriber="hook:1").delete()
    results = [
        transitions.Result(claimed=one, outcome=SENT, details="", started_at=timezone.now(), duration=0.01)
        for one in claimed
    ]
    transitions.record_results(results, using)
    assert Callback.objects.using(using).get().status == "sent"
    assert Attempt.objects.using(using).count() == 1
