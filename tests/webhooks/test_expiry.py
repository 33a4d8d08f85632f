"""A hook that expires is notified of nothing that happens later; what happened before is still sent."""

from __future__ import annotations

import datetime
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.exceptions import InvalidExpiryError
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True)


def hook_until(expires_at: Any, url: str = "https://receiver.example.com/") -> Hook:
    return create_hook(model=Vehicle, target_url=url, expires_at=expires_at)


def notified() -> int:
    Vehicle.objects.create(name="55")
    return Callback.objects.all().delete()[0]


def test_a_hook_is_notified_until_it_expires_and_nobody_needs_to_look(receiver: Receiver) -> None:
    end = timezone.now() + timedelta(seconds=1.5)
    hook_until(end, receiver.url)
    Vehicle.objects.create(name="before")
    while timezone.now() < end:
        time.sleep(0.05)
    Vehicle.objects.create(name="after")
    assert drain_outbox() == {"sent": 1}
    assert receiver.deliveries[0].json["object_serialization"]["name"] == "before"


@pytest.mark.parametrize("how", ["save", "update", "bulk_update"])
def test_an_expiry_may_be_set_and_taken_back_in_any_way(how: str) -> None:
    hook = hook_until(None)
    for end, count in ((timezone.now(), 0), (timezone.now() + timedelta(days=1), 1), (timezone.now(), 0), (None, 1)):
        hook.expires_at = end
        if how == "save":
            hook.save()
        elif how == "update":
            Hook.objects.update(expires_at=end)
        else:
            Hook.objects.bulk_update([hook], ["expires_at"])
        assert notified() == count


def test_a_text_is_an_expiry_too() -> None:
    hook = hook_until("2050-01-01T00:00:00Z")
    assert hook.expires_at == datetime.datetime(2050, 1, 1, tzinfo=datetime.UTC)
    assert notified() == 1


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("2020-01-01T00:00:00Z", "has passed"),
        (datetime.datetime(2050, 1, 1), "time zone"),
        ("tomorrow", "tomorrow"),
    ],
)
def test_an_expiry_that_makes_no_sense_is_refused(end: Any, words: str) -> None:
    with pytest.raises(InvalidExpiryError, match=words) as caught:
        hook_until(end)
    assert list(caught.value.message_dict) == ["expires_at"]
    assert not Hook.objects.exists()


def test_a_hook_that_has_expired_can_still_be_edited() -> None:
    hook = hook_until(timezone.now() + timedelta(seconds=0.2))
    while hook.expires_at > timezone.now():  # type: ignore[operator]
        time.sleep(0.05)
    hook.name = "that was it"
    hook.save()
    assert notified() == 0
