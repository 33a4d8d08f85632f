"""What answers mean: which are final, when the next attempt is, and whose address counts then."""

from __future__ import annotations

import email.utils
import time
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from heliostat.delivery.request import details_of, outcome_of
from heliostat.outbox.models import Callback
from heliostat.outbox.transitions import wait_before_next
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle
from tests.faults.servers import notified_once


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(199, "retry"), (200, "sent"), (204, "sent"), (299, "sent"), (300, "retry"), (301, "retry"), (400, "retry"),
     (404, "retry"), (410, "give_up"), (429, "retry"), (500, "retry"), (503, "retry"), (999, "retry")],
)  # fmt: skip
def test_a_status_means(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


def test_details_name_the_status() -> None:
    assert details_of(503) == "503 Service Unavailable"
    assert details_of(999) == "999"


def test_waits_grow_with_jitter_up_to_a_bound(settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST, settings.HELIOSTAT_RETRY_FACTOR, settings.HELIOSTAT_RETRY_LONGEST = 10, 2, 100
    assert all(8 <= wait_before_next(1) <= 12 for _ in range(100))
    assert all(32 <= wait_before_next(3) <= 48 for _ in range(100))
    assert all(80 <= wait_before_next(attempt) <= 120 for attempt in (5, 50, 100_000))
    assert len({wait_before_next(1) for _ in range(100)}) > 90


def test_retry_after_slows_us_down_but_does_not_stop_us(settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST, settings.HELIOSTAT_RETRY_LONGEST = 10, 100
    assert wait_before_next(1, retry_after=50) == 50
    assert wait_before_next(1, retry_after=1) == 10
    assert wait_before_next(1, retry_after=1e9) == 100


pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("600", 590, 610),
        ("a date", 400, 610),
        ("99999999999999999999", 5, 1000),
        ("-5", 0, 10),
        ("rubbish", 0, 10),
        ("", 0, 10),
    ],
)
def test_retry_after_is_obeyed_within_bounds_whatever_it_says(
    receiver: Receiver, settings: Any, value: str, least: float, most: float
) -> None:
    settings.HELIOSTAT_RETRY_LONGEST = 1000
    if value == "a date":
        value = email.utils.formatdate(time.time() + 600, usegmt=True)
    receiver.answers = [Answer(503, {"Retry-After": value})]
    assert notified_once(receiver.url).outcome == "retry"
    wait = Callback.objects.get().due_at - timezone.now()
    assert least - 5 <= wait.total_seconds() <= most


def test_a_hook_deleted_or_disabled_in_flight_is_cancelled_with_the_reason(receiver: Receiver) -> None:
    model = ContentType.objects.get_for_model(Vehicle)
    deleted, disabled = (Hook.objects.create(model=model, target=receiver.url) for _ in range(2))
    Vehicle.objects.create(name="55")
    deleted.delete()
    disabled.enabled = False
    disabled.save()
    assert drain_outbox() == {"cancel": 2}
    assert receiver.deliveries == []
    details = Callback.objects.values_list("status", "status_details")
    assert set(details) == {("cancelled", "the hook was deleted"), ("cancelled", "the hook is disabled")}


def test_a_changed_address_and_secret_count_from_the_next_attempt(receiver: Receiver) -> None:
    from heliostat.delivery.signing import new_secret

    hook = Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target="http://127.0.0.1:9/")
    Vehicle.objects.create(name="55")
    secret = new_secret()
    hook.target_url = receiver.url
    hook.set_secret(secret)
    hook.save()
    receiver.secrets = [secret]
    drain_outbox()
    assert receiver.deliveries[0].verified
