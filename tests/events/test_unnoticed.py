"""Capture reads rows and keys in somebody's save: an error of a field's own code costs the event, never the save."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.db import DatabaseError, connections, transaction
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver
from django.utils.functional import SimpleLazyObject

from heliostat.events import context
from heliostat.events.signals import listen_to
from heliostat.events.transactions import own_savepoint
from heliostat.testing import captured_events
from tests.example.fields import Colour
from tests.example.models import Coded, Depot, Instrument, Odd, Seat, Vehicle, Voucher
from tests.example.signals import broken_down

pytestmark = pytest.mark.django_db(databases="__all__")

CHANGES = {
    "create": lambda rows: rows.create(name="new"),
    "save with a key": lambda rows: Odd(pk=77, name="new").save(using=rows.db),
    "save again": lambda rows: rows.first().save(using=rows.db, force_update=True),
    "get_or_create": lambda rows: rows.get_or_create(name="new"),
    "bulk_create": lambda rows: rows.bulk_create([Odd(name="new"), Odd(name="newer")]),
    "ignore_conflicts": lambda rows: rows.bulk_create([Odd(name="new")], ignore_conflicts=True),
    "update": lambda rows: rows.update(name="changed"),
    # Not by a queryset: of a model with any receiver of post_delete, Django deletes by keys, which this field refuses.
    "delete": lambda rows: rows.first().delete(),
}


def _result(change: Any, using: str) -> tuple[Any, list[Any]]:
    """What a change gives or raises, and what is in the table then; all of it is undone again."""
    rows = Odd.objects.using(using)
    with transaction.atomic(using=using):
        with context.quiet():
            rows.create(name="old")
        try:
            with transaction.atomic(using=using):
                given: Any = type(change(rows)).__name__
        except Exception as error:
            given = type(error).__name__
        names = sorted(rows.values_list("name", flat=True))
        needs_rollback = connections[using].needs_rollback
        transaction.set_rollback(True, using=using)
    return given, [*names, needs_rollback]


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_an_object_whose_key_its_own_field_refuses_is_saved_and_deleted_as_without_subscribers(
    using: str, change: Any, caplog: pytest.LogCaptureFixture
) -> None:
    expected = _result(change, using)
    with captured_events() as events, caplog.at_level(logging.INFO, "heliostat"):
        assert _result(change, using) == expected
        Depot.objects.using(using).create(name="after")
    assert events[-1].type == "example.depot.created"
    logged = [one.getMessage() for one in caplog.records]
    assert len(events) > 1 or any("example.Odd" in message for message in logged), logged


@pytest.mark.parametrize(
    "make", [lambda: Voucher(name="old"), lambda: Coded(code="C-1", name="old")], ids=["uuid", "code"]
)
def test_a_row_whose_key_is_of_a_field_of_another_package_is_read(using: str, make: Any) -> None:
    one = make()
    one.save(using=using)
    again = type(one).objects.using(using).get()
    again.name = "new"
    with captured_events() as events:
        again.save(using=using)
        type(one).objects.using(using).update(name="newer")
        again.delete()
    changes = [event.changes.get("name") for event in events]
    assert changes == [("old", "new"), ("new", "newer"), None]
    assert events[-1].snapshot["name"] == "newer"


STEPS = {
    "add": lambda bus: bus.tags.add("invalid"),
    "remove": lambda bus: bus.tags.remove("invalid"),
    "set": lambda bus: bus.tags.set(["invalid"]),
    "clear": lambda bus: bus.tags.clear(),
    "update": lambda bus: Vehicle.objects.using(bus._state.db).update(no_such_field=1),
    "update by a wrong value": lambda bus: Vehicle.objects.using(bus._state.db).update(seats="many"),
    "bulk_create": lambda bus: Vehicle.objects.using(bus._state.db).bulk_create([Vehicle(name="x", seats="many")]),
    "save": lambda bus: bus.save(),
    "delete": lambda bus: bus.delete(),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_in_a_transaction_that_is_broken_already_the_errors_are_the_hosts_own(using: str, step: Any) -> None:
    def error_of() -> tuple[type[Exception] | None, bool]:
        found: type[Exception] | None = None
        with transaction.atomic(using=using):
            with context.quiet():
                bus = Vehicle.objects.using(using).create(name="55")
            connections[using].needs_rollback = True  # as an error inside atomic(savepoint=False) leaves it
            try:
                step(bus)
            except Exception as error:
                found = type(error)
            needs_rollback = connections[using].needs_rollback
            transaction.set_rollback(True, using=using)
        return found, needs_rollback

    expected = error_of()
    with captured_events() as events:
        assert error_of() == expected
    assert events == []


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("is_in_transaction", [False, True])
def test_a_row_that_its_own_field_cannot_read_is_written_as_without_subscribers(
    using: str, is_in_transaction: bool
) -> None:
    rows = Instrument.objects.using(using)
    kept = rows.create(colour=Colour("red"))
    gone = rows.create(colour=Colour("red"))
    with captured_events(), transaction.atomic(using=using) if is_in_transaction else nullcontext():
        kept.colour = Colour("unreadable")
        kept.save()
        kept.count = 1
        kept.save(update_fields=["count"])
        rows.filter(pk=kept.pk).update(count=2)
        rows.bulk_create([Instrument(colour=Colour("unreadable"))])
        rows.filter(pk=gone.pk).update(colour=Colour("unreadable"))
        gone.delete()
        rows.create(colour=Colour("blue"))
    assert list(rows.order_by("pk").values_list("count", flat=True)) == [2, 0, 0]


@pytest.mark.skipif("postgresql" not in settings.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432")
def test_a_row_that_the_driver_cannot_read_is_written_as_without_subscribers() -> None:
    """Another program stores a time that Python does not have, in a column that these changes do not concern."""
    rows = Vehicle.objects.using("postgresql")
    bus, gone = rows.create(name="55"), rows.create(name="56")
    with connections["postgresql"].cursor() as cursor:
        cursor.execute("UPDATE example_vehicle SET bought = 'infinity'")
    with captured_events() as events:
        bus.save(update_fields=["name"])
        assert rows.update(seats=2) == 2
        gone.delete()
        Depot.objects.using("postgresql").create(name="North")
    assert list(rows.values_list("name", "seats")) == [("55", 2)]
    assert [event.type for event in events][-1] == "example.depot.created"


def test_checks_and_saves_work_where_a_test_leaves_our_apps_out(using: str, settings: Any) -> None:
    get_resolver().url_patterns
    with captured_events() as events:
        settings.INSTALLED_APPS = [one for one in settings.INSTALLED_APPS if not one.startswith("heliostat")]
        run_checks()
        Vehicle.objects.using(using).create(name="55").delete()
    assert [event.action for event in events] == ["created", "deleted"]


@pytest.mark.parametrize("is_sql", [False, True], ids=["its code raises", "its query fails"])
def test_a_user_of_the_request_that_cannot_be_read_costs_the_actor_and_nothing_else(using: str, is_sql: bool) -> None:
    def user() -> Any:
        if is_sql:
            connections[using].cursor().execute("SELECT nothing FROM nowhere")
        raise ValueError("no session")

    request = RequestFactory().get("/buses/")
    request.META["heliostat.request_id"] = "r1"
    request.user = SimpleLazyObject(user)
    with transaction.atomic(using=using), captured_events() as events, context.during_request(request):
        Vehicle.objects.using(using).create(name="55")
    assert [(event.type, event.actor) for event in events] == [("example.vehicle.created", None)]
    assert Vehicle.objects.using(using).get().name == "55"


class Unreadable(dict[str, Any]):
    def items(self) -> Any:
        raise RuntimeError("not now")


@pytest.mark.parametrize(
    "arguments",
    [
        {"instance": Vehicle(pk="none")},
        {"instance": Vehicle(pk=10**30)},
        {"instance": Seat(row="none", letter="A")},
        {"instance": Depot(pk=1), "part": Unreadable(wheel=1)},
    ],
    ids=["no number", "no number of the database", "no composite key", "an argument"],
)
def test_a_signal_is_sent_as_without_subscribers_whatever_it_carries(using: str, arguments: dict[str, Any]) -> None:
    listen_to(["tests.example.signals.broken_down"])
    arguments["instance"]._state.db = using
    with transaction.atomic(using=using), captured_events():
        broken_down.send(sender=None, **arguments)
        Depot.objects.using(using).create(name="North")
    assert Depot.objects.using(using).exists()


def test_a_signal_is_sent_in_a_broken_transaction_as_without_subscribers(using: str) -> None:
    listen_to(["tests.example.signals.broken_down"])
    bus = Vehicle.objects.using(using).create(name="55")
    with pytest.raises(DatabaseError), captured_events() as events, transaction.atomic(using=using):
        try:
            connections[using].cursor().execute("SELECT nothing FROM nowhere")  # PostgreSQL keeps it in mind
        except DatabaseError:
            connections[using].needs_rollback = using != "postgresql"
            broken_down.send(sender=None, instance=bus)
            raise
    assert events == []


def test_what_fails_in_a_savepoint_of_ours_leaves_none_open(using: str) -> None:
    with transaction.atomic(using=using), CaptureQueriesContext(connections[using]) as queries:
        with pytest.raises(ValueError, match="on purpose"), own_savepoint():
            Depot.objects.using(using).create(name="North")
            raise ValueError("on purpose")
        assert not Depot.objects.using(using).exists()
    began, ended = (
        sum(query["sql"].startswith(start) for query in queries.captured_queries)
        for start in ("SAVEPOINT", "RELEASE SAVEPOINT")
    )
    assert began == ended > 0
