"""An event says what the row says: what was written, as the database stores it."""

from __future__ import annotations

import datetime
import decimal
import uuid
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connections
from django.db.models import F
from django.db.models.deletion import Collector
from django.db.models.signals import pre_delete
from django.utils import timezone

from heliostat import emit
from heliostat.testing import captured_events
from tests.example.fields import Colour, Money
from tests.example.models import Depot, Driver, Instrument, Ledger, Narrow, Parcel, Status, Stop, Ticket, Tram, Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_only_the_fields_that_are_saved_are_changes(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55", seats=1, speed=1)
    Vehicle.objects.using(using).filter(pk=bus.pk).update(type="tram")  # so the object is stale, too
    bus.name, bus.seats, bus.speed = "unsaved", 9, 2
    with captured_events() as events:
        bus.save(update_fields=["speed"])
    assert events[0].changes == {"speed": (1.0, 2.0)}
    assert {name: events[0].snapshot[name] for name in ("name", "seats", "speed", "type")} == {
        "name": "55", "seats": 1, "speed": 2.0, "type": "tram",
    }  # fmt: skip


def test_a_reference_is_saved_by_its_name_or_its_column(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55")
    north = Depot.objects.using(using).create(name="North")
    bus.depot = north
    with captured_events("example.vehicle.*") as events:
        bus.save(update_fields=["depot_id"])
        bus.depot = None
        bus.save(update_fields=["depot"])
    assert [dict(event.changes) for event in events] == [
        {"depot": (None, north.pk)},
        {"depot": (north.pk, None)},
    ]


def test_decimals_are_published_as_the_column_rounds_them(using: str) -> None:
    bus = Vehicle(name="55", price=decimal.Decimal("1.005"))
    with captured_events() as events:
        bus.save(using=using)
        bus.price = decimal.Decimal("1.5")
        bus.save(using=using)
        bus.save(using=using)
    stored = Vehicle.objects.using(using).get().price
    assert events[0].snapshot["price"] == events[1].changes["price"][0]
    assert str(events[0].snapshot["price"]) in ("1.00", "1.01")
    assert str(events[1].snapshot["price"]) == str(stored) == "1.50"
    assert events[2].changes == {}


def test_decimals_with_more_digits_than_a_float_are_published_as_the_column_holds_them(using: str) -> None:
    with captured_events("example.ledger.*") as events:
        for amount in ("12345678901234567.12", "-9999999999999.99", "1E+17", "0.07"):
            Ledger.objects.using(using).create(amount=decimal.Decimal(amount))
    stored = Ledger.objects.using(using).order_by("pk").values_list("amount", flat=True)
    assert [str(event.snapshot["amount"]) for event in events] == [str(amount) for amount in stored]


@pytest.mark.parametrize(
    ("name", "value", "published"),
    [
        ("speed", 20, 20.0),
        ("speed", "10.5", 10.5),
        ("seats", "7", 7),
        ("seats", True, 1),
        ("seats", 4.0, 4),
        ("name", 55, "55"),
        ("price", "1.5", decimal.Decimal("1.50")),
        ("price", 3, decimal.Decimal("3.00")),
        ("bought", datetime.date(2026, 11, 30), None),
        ("plan", (1, 2), [1, 2]),
        ("plan", {1: {"a": (1,)}}, {"1": {"a": [1]}}),
        ("plan", "\ud83d\ude00", "\U0001f600"),  # JSON spells a character beyond 16 bits as two halves
        ("plan", ["\ud83d\ude00"], ["\U0001f600"]),
        ("plan", "é", "é"),
        ("type", Status.NEW, "new"),
        ("photo", "bus.png", "bus.png"),
    ],
)
def test_values_of_other_types_are_published_as_the_column_holds_them(
    using: str, name: str, value: Any, published: Any
) -> None:
    bus = Vehicle.objects.using(using).create(name="before")
    setattr(bus, name, value)
    with captured_events() as events, pytest.warns(RuntimeWarning) if name == "bought" else nullcontext():
        bus.save()
    if published is not None:
        assert events[0].snapshot[name] == published
        assert type(events[0].snapshot[name]) is type(published)
    fresh = Vehicle.objects.using(using).get()
    assert events[0].snapshot[name] == (getattr(fresh, name).name if name == "photo" else getattr(fresh, name))
    with captured_events() as events:
        fresh.save()
    assert events[0].changes == {}


def test_a_value_that_the_database_changes_on_its_way_is_published_as_the_column_holds_it(using: str) -> None:
    with captured_events("example.ledger.*") as events:
        made = Ledger.objects.using(using).create(amount=1, label="loud")
        made.label = "louder"
        made.save(update_fields=["label"])
    assert [event.snapshot["label"] for event in events] == ["LOUD", "LOUDER"]
    assert events[1].changes == {"label": ("LOUD", "LOUDER")}


def test_moments_of_any_zone_are_published_in_utc(using: str) -> None:
    berlin = datetime.timezone(datetime.timedelta(hours=2))
    with captured_events() as events:
        Vehicle.objects.using(using).create(name="55", bought=datetime.datetime(2026, 7, 1, 12, tzinfo=berlin))
    assert events[0].snapshot["bought"].isoformat() == "2026-07-01T10:00:00+00:00"


def test_nan_is_no_change_of_nan(using: str) -> None:
    if using != "postgresql":
        pytest.skip("the other databases store no NaN")
    bus = Vehicle.objects.using(using).create(name="55", speed=float("nan"))
    with captured_events() as events:
        bus.save()
    assert events[0].changes == {}


def test_fields_of_other_packages_are_published_by_their_own_means(using: str) -> None:
    with captured_events() as events:
        one = Instrument.objects.using(using).create(colour="#FF0000", cost="12.345", settings={"at": timezone.now()})
    snapshot = events[0].snapshot
    assert snapshot["colour"] == "ff0000"  # the field stores it so
    assert snapshot["cost"] == "12.35 EUR"
    assert isinstance(snapshot["settings"]["at"], str)  # the encoder of the field
    assert Instrument.objects.using(using).get().colour == Colour("ff0000")
    with captured_events() as events:
        Instrument.objects.using(using).get().save()
        one.colour = "#FF0000"
        one.save()
        one.cost = Money("99")
        one.save(update_fields=["cost"])
    assert [dict(event.changes) for event in events] == [{}, {}, {"cost": ("12.35 EUR", "99.00 EUR")}]


def test_a_field_whose_conversion_fails_is_left_out_and_fails_no_save(using: str, caplog: Any) -> None:
    with captured_events() as events:
        Instrument.objects.using(using).create(colour="unconvertible")
    assert "colour" not in events[0].snapshot
    assert "colour" in caplog.text
    assert Instrument.objects.using(using).count() == 1


def test_values_that_the_database_makes_are_published(using: str) -> None:
    with captured_events() as events:
        one = Instrument.objects.using(using).create(count=2)
        one.count = 5
        one.save(update_fields=["count"])
    assert events[0].snapshot["twice"] == 4
    assert events[0].snapshot["serial"] == 77
    assert events[1].changes == {"count": (2, 5), "twice": (4, 10)}


NARROW = {
    "default": ("INTEGER", "INTEGER"),  # a column that makes numbers of texts
    "postgresql": ("SERIAL", "CHAR(8)"),
    "mariadb": ("INTEGER AUTO_INCREMENT", "DECIMAL(8, 1)"),
}


def test_a_column_that_django_did_not_make_is_read_back(using: str) -> None:
    key, kind = NARROW[using]
    with connections[using].cursor() as cursor:
        cursor.execute(f"CREATE TABLE narrow (id {key} PRIMARY KEY, text {kind})")
    try:
        with captured_events("example.narrow.*") as events:
            Narrow.objects.using(using).create(text="012")
        assert events[0].snapshot["text"] == str(Narrow.objects.using(using).get().text)
        assert events[0].snapshot["text"] != "012"
    finally:
        with connections[using].cursor() as cursor:
            cursor.execute("DROP TABLE narrow")


def test_large_numbers_in_json_are_no_change_where_the_database_spells_them_in_another_way(using: str) -> None:
    bus = Vehicle(name="55", plan={"luminosity": 1.2e44, "text": "1e+9"})
    with captured_events() as events:
        bus.save(using=using)
        bus.save()
        Vehicle.objects.using(using).get().save()
    assert [event.changes for event in events] == [{}, {}, {}]
    assert all(event.snapshot["plan"] == Vehicle.objects.using(using).get().plan for event in events)


def test_json_that_a_field_reads_by_a_decoder_of_its_own_is_published_as_it_is_stored(using: str) -> None:
    first, second = [{"sum": 1.5, "times": 2}], [{"sum": 2.25}]
    ledger = Ledger(amount=1, entries=first)
    with captured_events("example.ledger.*") as events:
        ledger.save(using=using)
        Ledger.objects.using(using).update(entries=second)
        ledger.delete()
    assert [event.snapshot["entries"] for event in events] == [first, second, second]
    assert events[1].changes == {"entries": (first, second)}
    assert events[1].instance.entries == [{"sum": decimal.Decimal("2.25")}]
    assert type(events[1].instance.entries[0]["sum"]) is decimal.Decimal


def test_emit_and_deletion_say_what_the_row_says(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55", seats=4)
    bus.name, bus.seats = "unsaved", F("seats") + 1
    with captured_events() as events:
        emit("crashed", bus)
        bus.delete()
    assert [(event.snapshot["name"], event.snapshot["seats"]) for event in events] == [("55", 4), ("55", 4)]


@pytest.mark.parametrize("model", [Vehicle, Tram])
def test_a_deletion_says_what_a_receiver_of_the_host_made_of_the_row(using: str, model: type[Vehicle]) -> None:
    def retire(instance: Vehicle, using: str, **_: Any) -> None:
        Vehicle.objects.using(using).filter(pk=instance.pk).update(type="retired")

    model.objects.using(using).create(name="55")
    pre_delete.connect(retire, sender=model)
    try:
        with captured_events("example.vehicle.*") as events:
            model.objects.using(using).all().delete()
    finally:
        pre_delete.disconnect(retire, sender=model)
    assert [event.action for event in events] == ["updated", "deleted"]
    assert {event.snapshot["type"] for event in events} == {"retired"}


def test_references_that_a_deletion_clears_are_published_one_by_one(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55")
    key = bus.pk
    Driver.objects.using(using).create(name="Ada", vehicle=bus, spare=bus)
    with captured_events("example.driver.*") as events:
        bus.delete()
    assert [(event.snapshot["vehicle"], event.snapshot["spare"]) for event in events] == [(None, key), (None, None)]


def test_a_reference_that_is_cleared_in_a_row_which_goes_too_is_no_change_of_it(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55")
    key = bus.pk
    ada = Driver.objects.using(using).create(name="Ada", vehicle=bus, spare=bus)
    collector = Collector(using=using)
    collector.collect([bus])
    collector.collect([ada])
    with captured_events("example.*") as events:
        collector.delete()
    found = {event.type: event.snapshot for event in events}
    assert sorted(found) == ["example.driver.deleted", "example.vehicle.deleted"]
    assert found["example.driver.deleted"]["vehicle"] == found["example.driver.deleted"]["spare"] == key


def test_deleting_what_is_not_there_is_no_event(using: str) -> None:
    with captured_events() as events:
        Vehicle(pk=12345).delete(using=using)
        bus = Vehicle.objects.using(using).create(name="55")
        twin = Vehicle.objects.using(using).get()
        bus.delete()
        twin.delete()
    assert [event.action for event in events] == ["created", "deleted"]


def test_a_save_that_needs_no_read_back_makes_none(using: str, django_assert_num_queries: Any) -> None:
    begin = {"postgresql": 2}.get(using, 2)  # BEGIN and COMMIT
    bus = Vehicle.objects.using(using).create(name="55")
    with captured_events():
        with django_assert_num_queries(2 + begin, connection=connections[using]):  # the old row, the change
            bus.save()
        with django_assert_num_queries(1 + begin, connection=connections[using]):
            Vehicle.objects.using(using).create(name="56", speed=2, price=decimal.Decimal("1.5"), plan={"a": [1]})
        with django_assert_num_queries(2 + begin, connection=connections[using]):
            bus.save(update_fields=["seats"])


def test_a_key_that_the_database_makes_costs_no_look_before_the_insert(
    using: str, django_assert_num_queries: Any
) -> None:
    with captured_events() as events, django_assert_num_queries(3, connection=connections[using]):
        ticket = Ticket.objects.using(using).create(text="x")
    assert events[0].object_id == str(ticket.pk)
    assert events[0].action == "created"


def test_an_object_whose_key_is_chosen_is_created_or_updated_as_the_row_says(using: str) -> None:
    with captured_events("example.stop.*") as events:
        Stop(code="A", name="one").save(using=using)
        Stop(code="A", name="two").save(using=using)
        Stop(code="B").save(using=using, force_insert=True)
    assert [(event.action, dict(event.changes)) for event in events] == [
        ("created", {}),
        ("updated", {"name": ("one", "two")}),
        ("created", {}),
    ]


def test_a_uuid_key_is_published_as_text_with_dashes(using: str) -> None:
    key = uuid.uuid4()
    with captured_events() as events:
        Parcel.objects.using(using).create(id=key.hex, weight=1)
    assert events[0].object_id == str(key)
