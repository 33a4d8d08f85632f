"""Counting callbacks, and making those due that wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from heliostat.outbox import transitions
from heliostat.outbox.backlog import by_status, by_subscriber, subscribers_of
from heliostat.outbox.models import Callback, Status
from tests.outbox.callbacks import callbacks_for

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_callbacks_are_counted_by_subscriber_with_the_oldest(using: str) -> None:
    old = timezone.now() - timedelta(days=3)
    callbacks_for(using, "hook:1", status="error", created_at=old)
    callbacks_for(using, "hook:1", "hook:2", status="error")
    callbacks_for(using, "hook:3")
    counted = by_subscriber(Status.ERROR, using)
    assert [(one.subscriber, one.callbacks) for one in counted] == [("hook:1", 2), ("hook:2", 1)]
    assert counted[0].oldest == old


def test_states_and_subscribers_of_callbacks_are_found_by_id(using: str) -> None:
    one, two = callbacks_for(using, "hook:1", "hook:2")
    (three,) = callbacks_for(using, "hook:2", status="error")
    assert by_status([one.pk, three.pk, 999_999], using) == {one.pk: "waiting", three.pk: "error"}
    assert subscribers_of([one.pk, two.pk, three.pk], using) == ["hook:1", "hook:2"]


def test_what_waits_is_due_now_and_nothing_else(using: str) -> None:
    later = timezone.now() + timedelta(hours=1)
    waits, other = callbacks_for(using, "hook:1", "hook:2", due_at=later, attempts=4)
    (ended,) = callbacks_for(using, "hook:1", due_at=later, status="error")
    assert transitions.retry_now(using, subscriber="hook:1") == 1
    assert transitions.retry_now(using, ids=[waits.pk, ended.pk]) == 0, "it is due already"
    (claimed,) = transitions.claim({"hook:1": 5, "hook:2": 5}, using)
    assert (claimed.id, claimed.attempts) == (waits.pk, 5), "its attempts still count"
    assert transitions.retry_now(using) == 1
    assert [one.id for one in transitions.claim({"hook:2": 5}, using)] == [other.pk]
    assert Callback.objects.using(using).get(pk=ended.pk).due_at == later


def test_a_claim_among_ids_takes_only_those_and_no_more_than_the_free_slots(using: str) -> None:
    ids = [callbacks_for(using, "hook:1")[0].pk for _ in range(5)]
    claimed = transitions.claim({"hook:1": 2, "hook:2": 2}, using, ids[1:4])
    assert [one.id for one in claimed] == ids[1:3]
    assert [one.id for one in transitions.claim({"hook:1": 2}, using, ids[1:4])] == [ids[3]]
    assert transitions.claim({"hook:1": 2}, using, ids[1:4]) == []
