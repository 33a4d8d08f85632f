"""`where` filters the events of a listener by fields, parents and changes, as the filters of webhooks do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks

from heliostat import emit
from heliostat.outbox.models import Callback
from tests.example.models import Depot, Vehicle
from tests.listeners.echo import heard
from tests.listeners.test_listeners import ECHO

pytestmark = pytest.mark.django_db(transaction=True)
OF_VEHICLES = {**ECHO, "resources": "vehicle", "actions": "create update"}


@pytest.fixture(autouse=True)
def silence() -> None:
    heard.clear()


def names() -> list[str]:
    return [event.impacted_records[0]["new"]["name"] for _, event in heard]


def some_vehicles() -> None:
    north, south = Depot.objects.create(pk=1, name="North"), Depot.objects.create(pk=2, name="South")
    Vehicle.objects.create(name="small", seats=8, type="bus", depot=north, plan={"colour": "red"})
    Vehicle.objects.create(name="large", seats=80, type="bus", depot=south, plan={"colour": "blue"})
    Vehicle.objects.create(name="40", seats=40, type="tram", depot=south)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"type": "tram"}, ["40"]),
        ({"name": "40"}, ["40"]),
        ({"seats.gte": 40}, ["large", "40"]),
        ({"seats.gte": 40, "type": "bus"}, ["large"]),
        ({"type": ["tram", "ferry"]}, ["40"]),
        ({"depot_id": 2}, ["large", "40"]),
        ({"depot": 1}, ["small"]),
        ({"plan.colour": "red"}, ["small"]),
        ({"field": "seats", "lt": 10}, ["small"]),
        ({"any": [{"field": "seats", "lt": 10}, {"field": "type", "eq": "tram"}]}, ["small", "40"]),
        ({"not": {"field": "type", "eq": "bus"}}, ["40"]),
        ({"depot.isnull": True}, []),
        ('{"type": "tram"}', ["40"]),
    ],
)
def test_a_listener_gets_the_events_whose_object_meets_its_conditions(
    settings: Any, where: Any, expected: list[str]
) -> None:
    settings.EVENT_LISTENERS = {"echo": {**OF_VEHICLES, "where": where}}
    assert run_checks(databases=[]) == []
    some_vehicles()
    assert names() == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["where.type = tram"], ["40"]),
        (["where.name = 40"], ["40"]),
        (["where.seats = 40"], ["40"]),
        (["where.seats.gte = 40", "where.type = bus"], ["large"]),
        (['where.type = ["tram", "ferry"]'], ["40"]),
        (["where.depot_id = 2"], ["large", "40"]),
        (["where.plan.colour = red"], ["small"]),
        (["where.field = seats", "where.lt = 10"], ["small"]),
        (['where = {"type": "tram"}'], ["40"]),
    ],
)
def test_an_ini_file_has_the_same_conditions_as_text(
    settings: Any, tmp_path: Path, lines: list[str], expected: list[str]
) -> None:
    common = ["use = tests.listeners.echo", "words = x", "resources = vehicle", "actions = create"]
    keys = "\n".join(f"event_listeners.echo.{line}" for line in common + lines)
    (tmp_path / "listeners.ini").write_text(f"event_listeners = echo\n{keys}\n")
    settings.EVENT_LISTENERS = tmp_path / "listeners.ini"
    assert run_checks(databases=[]) == []
    some_vehicles()
    assert names() == expected


def test_a_listener_may_ask_for_changes_of_a_field(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**OF_VEHICLES, "where": {"changed": ["seats"]}}}
    bus = Vehicle.objects.create(name="55")
    bus.name = "56"
    bus.save()
    assert heard == []
    bus.seats = 50
    bus.save()
    assert names() == ["56"]


def test_a_condition_holds_for_each_of_several_resources_in_its_own_way(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "vehicle depot", "where": {"name": "40"}}}
    assert run_checks(databases=[]) == []
    Depot.objects.create(name="40")
    Depot.objects.create(name="41")
    Vehicle.objects.create(name="40")
    assert [event.payload["resource_name"] for _, event in heard] == ["depot", "vehicle"]


def test_of_all_resources_those_without_the_field_do_not_match(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "example.*", "where": {"seats": 40}}}
    some_vehicles()
    assert names() == ["40"]


def test_durable_subscribers_of_every_kind_have_the_same_conditions(settings: Any) -> None:
    settings.EVENT_LISTENERS = {
        "post": {"use": "tests.listeners.kinds", "address": "x", "resources": "vehicle", "where": {"type": "tram"}}
    }
    some_vehicles()
    assert Callback.objects.count() == 1


def test_a_condition_on_a_field_that_was_not_loaded_reads_the_row(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**OF_VEHICLES, "where": {"type": "tram"}}}
    Vehicle.objects.create(name="55", type="tram")
    Vehicle.objects.defer("type").get().save()
    assert len(heard) == 2


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({"statsu": 1}, "`where.statsu`: Vehicle has no field 'statsu'. Did you mean seats"),
        ({"chnged": ["seats"]}, "Did you mean changed"),
        ({"changed": ["seast"]}, "Vehicle has no field “seast”. Did you mean seats?"),
        ({"seats.gte": "many"}, '`where.seats.gte`: give a number, not "many"'),
        ({"seats.contains": 4}, "is nothing to ask of a number"),
        ({"field": "seats", "gtee": 4}, "Vehicle has no field 'gtee'. Did you mean gte"),
        ({"api_token": "x"}, "“api_token” is a secret"),
        ({"tags": 1}, "“tags” is many objects"),
        ({"actions": ["delete"]}, "not notified of “delete”"),
        ({}, "give conditions such as"),
        ("seats = 4", "`where` is no JSON"),
        ("[1]", "`where` is [1]"),
    ],
)
def test_a_condition_that_can_mean_nothing_is_a_system_check(settings: Any, where: Any, words: str) -> None:
    settings.EVENT_LISTENERS = {"bad": {**OF_VEHICLES, "where": where}}
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E020"
    assert words in message.msg


def test_a_condition_that_fails_lets_the_event_through(settings: Any, caplog: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "vehicle", "actions": "crashed", "where": {"type": "x"}}}
    Vehicle.objects.create(name="55")
    half_loaded = Vehicle.objects.defer("type").get()
    Vehicle.objects.all()._raw_delete("default")
    emit("crashed", half_loaded)
    assert len(heard) == 1
    assert "the condition of listener:echo failed for example.vehicle.crashed" in caplog.text
