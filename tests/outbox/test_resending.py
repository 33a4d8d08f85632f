"""Sending again: a selection, or all that a subscriber missed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from heliostat.outbox import resending
from heliostat.outbox.models import Callback, Status
from heliostat.outbox.transitions import GIVE_UP
from tests.outbox.callbacks import callbacks_for, ended

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def states(using: str) -> list[str]:
    return list(Callback.objects.using(using).order_by("id").values_list("status", flat=True))


def test_all_that_a_subscriber_missed_since_then_is_counted_and_sent_again(using: str) -> None:
    ended(using, "hook:1", outcome=GIVE_UP, days=3)
    ended(using, "hook:1", "hook:2", outcome=GIVE_UP)
    ended(using, "hook:1")
    callbacks_for(using, "hook:1")
    since = timezone.now() - timedelta(days=1)
    assert resending.failed_since("hook:1", since, using) == 1
    assert resending.failed_since("", since, using) == 2
    assert resending.resend_all("hook:1", since, using) == 1
    assert states(using) == ["error", "waiting", "error", "sent", "waiting"]
    assert resending.failed_since("hook:1", since, using) == 0
    assert resending.resend_all("", since, using, status=Status.SENT) == 1


def test_of_too_many_those_that_ended_first_are_sent_again(using: str) -> None:
    for days in (1, 3, 2):
        ended(using, "hook:1", outcome=GIVE_UP, days=days)
    since = timezone.now() - timedelta(days=9)
    assert resending.resend_all("hook:1", since, using, limit=2) == 2
    assert states(using) == ["error", "waiting", "waiting"]
    assert resending.resend_all("hook:1", since, using, limit=2) == 1


def test_a_selection_is_sent_again_in_batches_that_are_reported(using: str, monkeypatch) -> None:
    monkeypatch.setattr(resending, "BATCH", 2)
    ids = [ended(using, "hook:1")[0].pk for _ in range(5)]
    reported: list[int] = []
    assert resending.resend([*ids, ids[0], max(ids) + 1], using, done=reported.append) == 5
    assert reported == [2, 4, 5]
    assert resending.resend(ids, using) == 0, "what waits is left alone"
