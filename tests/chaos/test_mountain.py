"""One slow receiver with 100,000 waiting callbacks, while others are notified of each event as it happens."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack

import pytest
from django.db import connections

from heliostat.outbox.models import Callback
from heliostat.testing import Answer, Receiver
from tests.delivery.working import hook_to, working
from tests.example.models import Vehicle

MOUNTAIN = int(os.environ.get("CHAOS_MOUNTAIN", "100000"))
EVENTS = 100

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600), pytest.mark.django_db(transaction=True, databases="__all__")]


def pile_up(using: str) -> None:
    """Its callback so many times over."""
    table, columns = (
        Callback._meta.db_table,
        "event_id, subscriber, status, status_details, attempts, due_at, created_at",
    )
    counted = f"SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {MOUNTAIN}"
    numbers = f"(WITH RECURSIVE numbers (number) AS ({counted}) SELECT number FROM numbers) numbers"
    if using == "mariadb":  # a recursion ends after 1,000 rounds there
        numbers = f"seq_1_to_{MOUNTAIN}"
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({columns}, updated_at) SELECT c.* FROM "
            f"(SELECT {columns}, updated_at FROM {table} LIMIT 1) c CROSS JOIN {numbers}"
        )


def test_who_is_quick_is_notified_at_once_beside_a_mountain(using: str) -> None:
    waits: list[float] = []
    with Receiver(answers=lambda _: Answer(delay=1.0)) as slow, ExitStack() as stack:
        mountain = hook_to(slow)
        Vehicle.objects.using(using).create(name="55")
        pile_up(using)
        quick = [stack.enter_context(Receiver()) for _ in range(5)]
        for one in quick:
            hook_to(one)
        with working(using):
            slow.wait_for(1, timeout=60)
            for number in range(EVENTS):
                began = time.monotonic()
                Vehicle.objects.using(using).create(name=str(number))
                for one in quick:
                    one.wait_for(number + 1, timeout=30)
                waits.append(time.monotonic() - began)
            left = Callback.objects.using(using).filter(subscriber=mountain.subscriber, status="waiting").count()
    waits.sort()
    print(
        f"\n\n  {using}: {MOUNTAIN} waited for one receiver, {left} at the end; {EVENTS} events at 5 others: "
        f"half within {waits[EVENTS // 2] * 1000:.0f} ms, 99 % within {waits[-2] * 1000:.0f} ms\n"
    )
    assert left > MOUNTAIN / 2
