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
from tests.example.models import Survey

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif("postgresql" not in settings.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432"),
]


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    connection = connections["postgresql"]
    with connection.schema_editor() as editor:
        editor.create_model(Survey)
    yield
    with connection.schema_editor() as editor:
        editor.delete_model(Survey)


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
