"""Bulk changes are told of by `heliostat.bulk`, and only by it."""

from __future__ import annotations

import pytest
from django.db import connections

from heliostat import bulk
from heliostat.testing import captured_events
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_an_update_is_told_for_each_row_that_differs() -> None:
    Vehicle.objects.create(name="55", seats=1)
    Vehicle.objects.create(name="56", seats=2)
    with captured_events() as events:
        assert bulk.update(Vehicle.objects.all(), seats=2) == 2
    assert [event.changes for event in events] == [{"seats": (1, 2)}]


def test_creation_and_update_of_objects_are_told() -> None:
    with captured_events() as events:
        buses = bulk.create(Vehicle, [Vehicle(name="55"), Vehicle(name="56")])
        for bus in buses:
            bus.seats = 7
        bulk.update_objects(buses, ["seats"])
    assert [event.action for event in events] == ["created", "created", "updated", "updated"]
    assert events[3].changes == {"seats": (0, 7)}


def test_django_s_own_bulk_calls_tell_nobody() -> None:
    with captured_events() as events:
        Vehicle.objects.bulk_create([Vehicle(name="55")])
        Vehicle.objects.update(seats=3)
    assert events == []


def test_where_nobody_asked_a_bulk_update_is_one_statement(django_assert_num_queries) -> None:
    Vehicle.objects.create(name="55")
    with django_assert_num_queries(1, connection=connections["default"]):
        bulk.update(Vehicle.objects.all(), seats=2)


def test_a_thousand_rows_are_told_in_few_statements(django_assert_max_num_queries) -> None:
    Vehicle.objects.bulk_create(Vehicle(name=str(index)) for index in range(1000))
    with captured_events() as events, django_assert_max_num_queries(12):
        bulk.update(Vehicle.objects.all(), seats=2)
    assert len(events) == 1000
