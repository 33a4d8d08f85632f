"""Bulk statements of Django publish the same events as saves, with true old and new values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import django
import pytest
from django.core.exceptions import FieldError
from django.db import IntegrityError, connections, transaction
from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.functions import Concat

from heliostat.events.event import Event
from heliostat.exceptions import Refused
from heliostat.testing import captured_events, subscribed
from tests.example.models import Conductor, Depot, Driver, OldVehicle, Parcel, Seat, Stop, Tag, Ticket, Tram, Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def facts(events: list[Event]) -> list[tuple[str, Any]]:
    return [(event.type, event.changes) for event in events]


def test_an_update_is_published_for_each_row_that_differs(using: str) -> None:
    vehicles = Vehicle.objects.using(using)
    vehicles.create(name="55", seats=1)
    vehicles.create(name="56", seats=2)
    with captured_events() as events:
        assert vehicles.update(seats=2) == 2
    assert facts(events) == [("example.vehicle.updated", {"seats": (1, 2)})]
    assert events[0].snapshot["name"] == "55"
    assert events[0].snapshot["seats"] == 2
    assert events[0].instance.name == "55"


def test_an_update_that_ends_its_own_filter_is_published(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55", seats=1)
    with captured_events() as events:
        Vehicle.objects.using(using).filter(seats=1, depot=None).update(seats=F("seats") + 1, name="x")
    assert events[0].changes == {"seats": (1, 2), "name": ("55", "x")}
    assert events[0].object_id == str(bus.pk)


def test_an_update_over_a_join_and_an_order_is_published(using: str) -> None:
    north = Depot.objects.using(using).create(name="North")
    Vehicle.objects.using(using).create(name="55", depot=north)
    Vehicle.objects.using(using).create(name="56")
    with captured_events("example.vehicle.*") as events:
        Vehicle.objects.using(using).filter(depot__name="North").order_by("-name").update(seats=9)
    assert facts(events) == [("example.vehicle.updated", {"seats": (0, 9)})]


def test_the_update_of_the_host_runs_once_and_as_it_is(using: str) -> None:
    Vehicle.objects.using(using).create(name="55")
    statements: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        statements.append(sql)
        return execute(sql, *rest)

    with captured_events(), connections[using].execute_wrapper(note):
        Vehicle.objects.using(using).filter(name="55").update(seats=2)
    assert len([one for one in statements if one.startswith("UPDATE")]) == 1


def test_creation_in_bulk_is_published_with_keys_and_stored_values(using: str) -> None:
    with captured_events() as events:
        buses = Vehicle.objects.using(using).bulk_create(Vehicle(name=str(n), speed="1.5") for n in (55, 56))
    assert [event.action for event in events] == ["created", "created"]
    assert [event.object_id for event in events] == [str(bus.pk) for bus in buses]
    assert events[0].snapshot["speed"] == 1.5
    assert events[0].instance is buses[0]


def test_bulk_update_is_published_once_for_each_row(using: str) -> None:
    buses = Vehicle.objects.using(using).bulk_create(Vehicle(name=str(n)) for n in range(5))
    for bus in buses:
        bus.seats = 7
    with captured_events() as events:
        assert Vehicle.objects.using(using).bulk_update(buses, ["seats"], batch_size=2) == 5
    assert facts(events) == [("example.vehicle.updated", {"seats": (0, 7)})] * 5


def test_an_upsert_distinguishes_created_updated_and_unchanged(using: str) -> None:
    red, blue = (Tag.objects.using(using).create(word=word) for word in ("red", "blue"))
    unique = {} if using == "mariadb" else {"unique_fields": ["word"]}
    with captured_events("example.tag.*") as events:
        Tag.objects.using(using).bulk_create(
            [Tag(word="red"), Tag(word="green"), Tag(word="blue")],
            update_conflicts=True, update_fields=["word"], **unique,
        )  # fmt: skip
    assert [(event.type, event.snapshot["word"]) for event in events] == [("example.tag.created", "green")]
    with captured_events("example.stop.*") as events:
        Stop.objects.using(using).create(code="A", name="old")
        fields = {} if using == "mariadb" else {"unique_fields": ["code"]}
        Stop.objects.using(using).bulk_create(
            [Stop(code="A", name="new"), Stop(code="B", name="b")],
            update_conflicts=True, update_fields=["name"], **fields,
        )  # fmt: skip
    assert [(event.object_id, event.action, dict(event.changes)) for event in events[1:]] == [
        ("B", "created", {}),
        ("A", "updated", {"name": ("old", "new")}),
    ]
    assert {red.pk, blue.pk} <= set(Tag.objects.using(using).values_list("pk", flat=True))


def test_ignored_conflicts_are_no_events_and_the_others_are_created(using: str) -> None:
    Tag.objects.using(using).create(word="red")
    with captured_events("example.tag.*") as events:
        Tag.objects.using(using).bulk_create([Tag(word="red"), Tag(word="new"), Tag(word="new")], ignore_conflicts=True)
    assert [(event.action, event.snapshot["word"]) for event in events] == [("created", "new")]
    assert events[0].object_id == str(Tag.objects.using(using).get(word="new").pk)


def test_ignored_conflicts_where_nothing_can_collide_are_all_created(using: str) -> None:
    Depot.objects.using(using).create(name="North")
    with captured_events("example.depot.*") as events:
        Depot.objects.using(using).bulk_create([Depot(name="North"), Depot(name="South")], ignore_conflicts=True)
    assert [event.snapshot["name"] for event in events] == ["North", "South"]
    assert len({event.object_id for event in events}) == 2


def test_keys_that_the_caller_makes_are_published(using: str) -> None:
    with captured_events() as events:
        (parcel,) = Parcel.objects.using(using).bulk_create([Parcel(weight=2)])
    assert events[0].object_id == str(parcel.pk)


def test_a_bulk_call_through_a_proxy_and_a_child_reaches_subscribers_of_the_model_and_its_parents(using: str) -> None:
    tram = Tram.objects.using(using).create(name="12", line=1)
    with captured_events("example.vehicle.*") as events:
        OldVehicle.objects.using(using).bulk_create([OldVehicle(name="old")])
        Tram.objects.using(using).update(seats=3)
        Tram.objects.using(using).update(line=2)
    assert facts(events) == [
        ("example.vehicle.created", {}),
        ("example.vehicle.updated", {"seats": (0, 3)}),
    ]
    with captured_events("example.*") as events:
        Tram.objects.using(using).update(seats=4, line=5)
    assert facts(events) == [("example.tram.updated", {"seats": (3, 4), "line": (2, 5)})]
    assert events[0].object_id == str(tram.pk)


def test_managers_of_relations_and_cleared_references_are_published(using: str) -> None:
    depot = Depot.objects.using(using).create(name="North")
    buses = [Vehicle.objects.using(using).create(name=name) for name in ("55", "56")]
    with captured_events("example.vehicle.*") as events:
        depot.vehicle_set.add(*buses)
        depot.vehicle_set.remove(buses[0])
        depot.vehicle_set.clear()
    assert [dict(event.changes) for event in events] == [
        {"depot": (None, depot.pk)},
        {"depot": (None, depot.pk)},
        {"depot": (depot.pk, None)},
        {"depot": (depot.pk, None)},
    ]


def test_references_that_a_deletion_sets_to_null_are_published(using: str) -> None:
    from tests.example.models import Driver

    bus = Vehicle.objects.using(using).create(name="55")
    Driver.objects.using(using).create(name="Ada", vehicle=bus, spare=bus)
    with captured_events("example.driver.*") as events:
        key = bus.pk
        bus.delete()
    assert [dict(event.changes) for event in events] == [{"vehicle": (key, None)}, {"spare": (key, None)}]


def test_asynchronous_variants_are_published() -> None:
    Vehicle.objects.create(name="55")

    async def work() -> None:
        await Vehicle.objects.aupdate(seats=2)
        await Vehicle.objects.abulk_create([Vehicle(name="56")])

    with captured_events() as events:
        asyncio.run(work())
    assert [event.action for event in events] == ["updated", "created"]


def test_get_or_create_and_update_or_create_publish_once() -> None:
    with captured_events("example.tag.*") as events:
        Tag.objects.get_or_create(word="red")
        Tag.objects.get_or_create(word="red")
        Tag.objects.update_or_create(word="red", defaults={"word": "blue"})
    assert [event.action for event in events] == ["created", "updated"]


def test_an_update_without_subscribers_is_one_statement(using: str, django_assert_num_queries: Any) -> None:
    Vehicle.objects.using(using).create(name="55")
    with captured_events("example.depot.*"), django_assert_num_queries(1, connection=connections[using]):
        Vehicle.objects.using(using).update(seats=2)


def test_a_setting_turns_the_capture_of_bulk_statements_off(settings: Any) -> None:
    settings.HELIOSTAT_CAPTURE_BULK = False
    with captured_events("example.vehicle.*", "example.driver.*") as events:
        Vehicle.objects.bulk_create([Vehicle(name="55")])
        Vehicle.objects.update(seats=3)
        bus = Vehicle.objects.get()
        Driver.objects.bulk_create([Driver(name="Ada", vehicle=bus, spare=bus)])
        bus.delete()
    assert [event.type for event in events] == ["example.vehicle.deleted"]


def test_a_thousand_rows_are_published_in_few_statements(using: str, django_assert_max_num_queries: Any) -> None:
    Vehicle.objects.using(using).bulk_create(Vehicle(name=str(index)) for index in range(1000))
    with captured_events() as events, django_assert_max_num_queries(12, connection=connections[using]):
        Vehicle.objects.using(using).update(seats=2)
    assert len(events) == 1000


def test_a_bulk_change_that_is_rolled_back_or_refused_changes_nothing(using: str) -> None:
    Vehicle.objects.using(using).create(name="55")

    def refuse(event: Event) -> None:
        raise ValueError("not now")

    with subscribed(refuse, "example.vehicle.*", when="in_transaction"):
        with pytest.raises(Refused):
            Vehicle.objects.using(using).update(seats=2)
        with pytest.raises(Refused):
            Vehicle.objects.using(using).bulk_create([Vehicle(name="56")])
    assert list(Vehicle.objects.using(using).values_list("name", "seats")) == [("55", 0)]


def test_what_django_refuses_it_refuses_in_its_own_words() -> None:
    vehicles = Vehicle.objects.all()
    calls: list[tuple[Callable[[], Any], type[Exception]]] = [
        (lambda: vehicles.update(no_such_field=1), Exception),
        (lambda: vehicles[:1].update(seats=1), TypeError),
        (lambda: vehicles.union(vehicles).update(seats=1), Exception),
        (lambda: Vehicle.objects.bulk_create([Vehicle()], update_conflicts=True), ValueError),
        (lambda: Tram.objects.bulk_create([Tram()]), ValueError),
        (lambda: vehicles.filter(name__nope=1).update(seats=1), FieldError),
    ]
    for call, kind in calls:
        with pytest.raises(kind) as plain:
            call()
        with captured_events(), pytest.raises(kind) as captured:
            call()
        assert (type(plain.value), str(plain.value)) == (type(captured.value), str(captured.value))


def test_a_failing_bulk_insert_leaves_the_callers_savepoint_usable(using: str) -> None:
    Tag.objects.using(using).create(word="red")
    with captured_events(), transaction.atomic(using=using):
        with pytest.raises(IntegrityError), transaction.atomic(using=using):
            Tag.objects.using(using).bulk_create([Tag(word="blue"), Tag(word="red")])
        Tag.objects.using(using).create(word="green")
    assert set(Tag.objects.using(using).values_list("word", flat=True)) == {"red", "green"}


def test_expressions_are_published_as_the_values_that_the_database_made(using: str) -> None:
    for seats in (1, 2):
        Vehicle.objects.using(using).create(name=str(seats), seats=seats)
    with captured_events() as events:
        Vehicle.objects.using(using).update(seats=Case(When(seats=1, then=Value(10)), default=Value(20)))
    assert [dict(event.changes) for event in events] == [{"seats": (1, 10)}, {"seats": (2, 20)}]
    with captured_events() as events:
        Vehicle.objects.using(using).filter(seats=10).update(price="1.239")
    assert str(events[0].changes["price"][1]) == "1.24"


def test_a_primary_key_that_is_updated_is_the_key_of_the_event(using: str) -> None:
    Stop.objects.using(using).create(code="A", name="x")
    with captured_events("example.stop.*") as events:
        Stop.objects.using(using).filter(code="A").update(code="B")
    assert [(event.object_id, dict(event.changes)) for event in events] == [("B", {"code": ("A", "B")})]


def test_primary_keys_that_an_expression_changes_are_the_keys_of_the_events(using: str) -> None:
    for code in ("A", "B"):
        Stop.objects.using(using).create(code=code, name="x")
    with captured_events("example.stop.*") as events:
        assert Stop.objects.using(using).update(code=Concat(F("code"), Value("1")), name="y") == 2
    assert {(event.object_id, event.changes["code"], event.changes["name"]) for event in events} == {
        ("A1", ("A", "A1"), ("x", "y")),
        ("B1", ("B", "B1"), ("x", "y")),
    }


@pytest.mark.parametrize("row", [7, F("row") + 6])
def test_an_update_of_a_part_of_composite_keys_is_published(using: str, row: Any) -> None:
    for letter in ("a", "b"):
        Seat.objects.using(using).create(row=1, letter=letter)
    with captured_events("example.seat.*") as events:
        assert Seat.objects.using(using).update(row=row, taken=True) == 2
    assert {event.object_id for event in events} == {'["7", "a"]', '["7", "b"]'}
    assert [dict(event.changes) for event in events] == [{"row": (1, 7), "taken": (False, True)}] * 2


@pytest.mark.parametrize("options", [{"of": ("depot",)}, {"of": ("self",), "nowait": True}, {"skip_locked": True}])
def test_an_update_of_rows_that_were_to_be_locked_is_published_and_waits_as_ever(
    using: str, options: dict[str, Any]
) -> None:
    north = Depot.objects.using(using).create(name="North")
    Vehicle.objects.using(using).create(name="55", depot=north)
    chosen = Vehicle.objects.using(using).select_related("depot").select_for_update(**options)
    with captured_events("example.vehicle.*") as events:
        assert chosen.update(seats=4) == 1
    assert [dict(event.changes) for event in events] == [{"seats": (0, 4)}]


def test_a_reference_that_got_its_key_after_it_was_assigned_is_found_by_an_upsert(using: str) -> None:
    there = Driver.objects.using(using).create(name="there")
    Conductor.objects.using(using).create(driver=there)
    later = Driver(name="later")
    objects = [Conductor(driver=later)]
    later.pk = there.pk
    later._state.db = objects[0]._state.db = using
    with captured_events("example.conductor.*") as events:
        Conductor.objects.using(using).bulk_create(objects, ignore_conflicts=True)
    assert events == []


def test_creation_in_bulk_is_published_where_the_database_makes_the_key(using: str) -> None:
    with captured_events("example.ticket.*") as events:
        Ticket.objects.using(using).bulk_create([Ticket(text="made"), Ticket(id=4712, text="given")])
    made = dict(Ticket.objects.using(using).values_list("text", "pk"))  # SQLite of Django 6 has a default of its own
    assert sorted((event.action, event.object_id, event.snapshot["text"]) for event in events) == sorted(
        ("created", str(made[text]), text) for text in ("made", "given")
    )


class OwnQuerySet(QuerySet[Depot]):
    """Of a package that gives these methods another meaning."""

    def order_by(self, *names: Any) -> Any:
        return super().order_by(names[0])

    def values_list(self, *names: Any, **options: Any) -> Any:
        raise NotImplementedError


def test_an_update_by_a_queryset_with_methods_of_its_own_is_published(using: str) -> None:
    Depot.objects.using(using).bulk_create([Depot(name="North"), Depot(name="South")])
    with captured_events() as events:
        assert OwnQuerySet(Depot, using=using).filter(name="North").update(name="East") == 1
    assert facts(events) == [("example.depot.updated", {"name": ("North", "East")})]


def test_an_update_of_distinct_rows_changes_and_publishes_all_of_them(using: str) -> None:
    """As Django has it: DISTINCT takes no part in the statement, of whatever columns, on whatever database."""
    vehicles = Vehicle.objects.using(using)
    vehicles.bulk_create([Vehicle(name="55"), Vehicle(name="55"), Vehicle(name="56")])
    with captured_events() as events:
        assert vehicles.distinct().values("name").update(seats=2) == 3
        if django.VERSION < (6, 1):
            assert vehicles.distinct("name").update(seats=3) == 3
        else:
            with pytest.raises(TypeError, match="distinct"):
                vehicles.distinct("name").update(seats=3)
            vehicles.update(seats=3)
    assert [event.changes for event in events] == [{"seats": (0, 2)}] * 3 + [{"seats": (2, 3)}] * 3
