"""Clocks that differ: what is due, and who is dead, is said by the database's own where it has one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest
from django.db import connections

from heliostat.delivery.heartbeat import Heartbeat, worker_status
from heliostat.outbox import transitions
from heliostat.outbox.models import Callback, WorkerSeen
from heliostat.testing import Receiver, drain_outbox
from tests.example.models import Vehicle
from tests.faults.servers import hook_to
from tests.outbox.callbacks import callbacks_for, ended

SERVER = "postgresql"
"""SQLite has no clock but ours: its writers and workers are on one machine."""

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", *({SERVER} & connections.databases.keys())]),
    pytest.mark.skipif(SERVER not in connections.databases, reason="no PostgreSQL at 127.0.0.1:5432"),
]


@contextmanager
def clock_is_wrong_by(hours: float) -> Iterator[None]:
    """The clock of this machine; the database's is on another."""
    with patch("django.utils.timezone.now", lambda: datetime.now(UTC) + timedelta(hours=hours)):
        yield


@pytest.mark.parametrize("hours", [-1, 1])
def test_what_a_machine_with_a_wrong_clock_writes_is_due_at_once(hours: float, receiver: Receiver) -> None:
    hook_to(receiver.url)
    with clock_is_wrong_by(hours):
        Vehicle.objects.using(SERVER).create(name="55")
    assert drain_outbox(SERVER) == {"sent": 1}


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_with_a_wrong_clock_notifies_what_is_due_and_nothing_else(hours: float, receiver: Receiver) -> None:
    hook_to(receiver.url)
    Vehicle.objects.using(SERVER).create(name="55")
    Vehicle.objects.using(SERVER).create(name="56")
    later = Callback.objects.using(SERVER).order_by("id").last()
    Callback.objects.using(SERVER).filter(pk=later.pk).update(due_at=datetime.now(UTC) + timedelta(minutes=30))
    with clock_is_wrong_by(hours):
        assert drain_outbox(SERVER) == {"sent": 1}


def test_a_worker_whose_clock_is_ahead_takes_nobody_for_dead() -> None:
    callbacks_for(SERVER, "hook:1")
    (claimed,) = transitions.claim({"hook:1": 1}, SERVER)
    with clock_is_wrong_by(1):
        assert transitions.rescue(SERVER) == 0
    with clock_is_wrong_by(-1):
        transitions.renew([claimed], SERVER)
    assert transitions.rescue(SERVER) == 0, "its lease is as long as the database says"


@pytest.mark.parametrize("hours", [-1, 1])
def test_what_is_resent_by_a_machine_with_a_wrong_clock_is_due_at_once(hours: float) -> None:
    (callback,) = ended(SERVER, "hook:1")
    with clock_is_wrong_by(hours):
        assert transitions.resend([callback.pk], SERVER) == 1
    assert len(transitions.claim({"hook:1": 1}, SERVER)) == 1


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_with_a_wrong_clock_is_seen_to_live_and_to_be_gone(hours: float) -> None:
    heart = Heartbeat(SERVER)
    for _ in range(2):
        with clock_is_wrong_by(hours):
            heart.beat()
        assert worker_status(SERVER).running
    WorkerSeen.objects.using(SERVER).update(seen_at=datetime.now(UTC) - timedelta(minutes=1))
    with clock_is_wrong_by(hours):
        assert not worker_status(SERVER).running
