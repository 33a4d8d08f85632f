"""A batch publishes what stands at its end: nothing is lost in it, and nothing that was undone inside."""

from __future__ import annotations

import asyncio

import pytest
from django.db import connections, transaction

from heliostat import batch, emit
from heliostat.testing import captured_events
from tests.example.models import Vehicle

SERVER = "postgresql"
pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_what_is_no_save_is_published_whatever_is_created_and_deleted_beside_it() -> None:
    bus = Vehicle.objects.create(name="55")
    with captured_events() as events, batch():
        never = Vehicle.objects.create(name="never was")
        emit("crashed", bus)
        never.delete()
        emit("towed", bus)
    assert [event.action for event in events] == ["crashed", "towed"]


@pytest.mark.parametrize("block", [transaction.atomic, batch])
def test_what_a_block_inside_undid_is_not_published(using: str, block) -> None:
    with captured_events() as events, batch(using):
        bus = Vehicle(name="55", seats=1)
        bus.save(using=using)
        with pytest.raises(ZeroDivisionError), block(using=using):
            Vehicle(name="56").save(using=using)
            bus.seats = 99
            bus.save(using=using)
            1 / 0
        bus.seats = 2
        with block(using=using):
            bus.save(using=using)
    assert [(event.action, event.snapshot["seats"]) for event in events] == [("created", 2)]
    assert Vehicle.objects.using(using).count() == 1


def test_a_deletion_that_was_undone_inside_is_not_published() -> None:
    bus = Vehicle.objects.create(name="55")
    with captured_events() as events, batch():
        bus.seats = 5
        bus.save()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            bus.delete()
            1 / 0
    assert [event.changes for event in events] == [{"seats": (0, 5)}]


@pytest.mark.skipif(SERVER not in connections.databases, reason="no PostgreSQL at 127.0.0.1:5432")
def test_what_another_thread_commits_meanwhile_is_published_as_well() -> None:
    """Its context may be a copy of the batch's (`asyncio.to_thread`), but its transaction is its own."""

    def save() -> None:
        with batch(SERVER):
            Vehicle(name="56").save(using=SERVER)
        connections[SERVER].close()

    with captured_events() as events, batch(SERVER):
        Vehicle(name="55").save(using=SERVER)
        asyncio.run(asyncio.to_thread(save))
    assert sorted(event.snapshot["name"] for event in events) == ["55", "56"]
