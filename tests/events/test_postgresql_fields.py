"""Arrays, mappings and ranges of PostgreSQL are JSON arrays and objects in events."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.postgres.fields import HStoreField
from django.db import connections
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange, NumericRange

from heliostat.events.snapshot import rebuilt
from heliostat.events.values import conversion_of
from heliostat.outbox.bodies import body_of
from heliostat.testing import captured_events
from tests.example.models import Berth, Sighting, Survey

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif("postgresql" not in settings.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432"),
]


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    connection = connections["postgresql"]
    tables = (Survey, Berth, Sighting)
    with connection.schema_editor() as editor:
        for table in tables:
            editor.create_model(table)
    yield
    with connection.schema_editor() as editor:
        for table in tables:
            editor.delete_model(table)


def test_arrays_and_ranges_are_json_and_an_unchanged_save_has_no_changes() -> None:
    dusk = datetime.datetime(2026, 11, 30, 18, tzinfo=datetime.UTC)
    with captured_events("example.survey.*") as events:
        one = Survey(
            bands=("g", "r"), nights=[datetime.date(2026, 11, 30)], grid=[[1, 2], [3, None]],
            window=(1, 5), season=DateTimeTZRange(dusk, None),
        )  # fmt: skip
        one.save(using="postgresql")
        one.save(using="postgresql")
        Survey.objects.using("postgresql").get().save()
        Survey.objects.using("postgresql").update(window=NumericRange(empty=True), bands=["g"])
    assert json.loads(body_of(events[0]))["object_serialization"] == {
        "id": one.pk,
        "bands": ["g", "r"],
        "nights": ["2026-11-30"],
        "grid": [[1, 2], [3, None]],
        "window": {"lower": 1, "upper": 5, "bounds": "[)"},
        "season": {"lower": "2026-11-30T18:00:00Z", "upper": None, "bounds": "[)"},
    }
    assert [dict(event.changes) for event in events[1:3]] == [{}, {}]
    assert dict(events[3].changes) == {
        "window": ({"lower": 1, "upper": 5, "bounds": "[)"}, {"empty": True}),
        "bands": (["g", "r"], ["g"]),
    }


def test_the_object_is_rebuilt_from_what_the_event_says() -> None:
    with captured_events("example.survey.*") as events:
        Survey.objects.using("postgresql").create(bands=["g"], window=(1, 5), nights=[datetime.date(2026, 11, 30)])
    snapshot = json.loads(body_of(events[0]))["object_serialization"]
    again: Any = rebuilt("example.survey", snapshot, "postgresql")
    assert (again.bands, again.window, again.nights) == (["g"], NumericRange(1, 5), [datetime.date(2026, 11, 30)])


def test_a_mapping_is_a_json_object() -> None:
    field: Any = HStoreField(name="extra")
    field.set_attributes_from_name("extra")
    field.model = Survey
    assert conversion_of(field).plain({"a": "1", "b": None}) == {"a": "1", "b": None}


def test_rows_with_an_empty_unique_key_are_updated_by_an_upsert_where_empty_keys_collide() -> None:
    Berth.objects.using("postgresql").create(pier="A", ship="Argo")
    berths = [Berth(pier="A", ship="Endurance"), Berth(pier="B", ship="Fram")]
    with captured_events("example.berth.*") as events:
        Berth.objects.using("postgresql").bulk_create(
            berths, update_conflicts=True, update_fields=["ship"], unique_fields=["pier", "number"]
        )
    assert sorted((event.action, dict(event.changes)) for event in events) == [
        ("created", {}),
        ("updated", {"ship": ("Argo", "Endurance")}),
    ]
    with captured_events("example.berth.*") as events:
        Berth.objects.using("postgresql").bulk_create([Berth(pier="A"), Berth(pier="C")], ignore_conflicts=True)
    assert [(event.action, event.snapshot["pier"]) for event in events] == [("created", "C")]


@pytest.mark.parametrize("ignore", [False, True])
def test_objects_can_be_created_in_bulk_where_the_database_makes_keys_in_no_order(ignore: bool) -> None:
    with captured_events():
        Sighting.objects.using("postgresql").bulk_create([Sighting(text="a")], ignore_conflicts=ignore)
    assert Sighting.objects.using("postgresql").count() == 1
