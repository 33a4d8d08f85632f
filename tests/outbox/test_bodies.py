"""Bodies are made once, and lead back to the event."""

from __future__ import annotations

import datetime
import decimal
import json
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.utils.translation import gettext_lazy

from heliostat import emit
from heliostat.events.event import Actor, Event, RequestInfo
from heliostat.exceptions import SnapshotError
from heliostat.outbox.bodies import body_of, context_of, event_from, to_json
from heliostat.outbox.models import Callback, Status
from heliostat.testing import captured_events
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle


def test_the_default_body_has_the_keys_that_receivers_are_taught() -> None:
    event = Event(resource="a.b", action="created", object_id="1", snapshot={"x": 1})
    body = json.loads(body_of(event))
    assert list(body) == [
        "id", "type", "timestamp", "object_type", "object_id", "event_type", "object_serialization", "changes",
    ]  # fmt: skip
    assert (body["type"], body["object_type"], body["event_type"]) == ("a.b.created", "a.b", "created")


def test_strange_values_are_written_as_json() -> None:
    value = {
        "nan": float("nan"), "big": 2**80, "lazy": gettext_lazy("yes"), "price": decimal.Decimal("1.50"),
        "day": datetime.date(2026, 1, 2), "nul": "a\x00b", "bytes": b"ab",
    }  # fmt: skip
    assert json.loads(to_json(value, "x")) == {
        "nan": None, "big": 2**80, "lazy": "yes", "price": "1.50", "day": "2026-01-02", "nul": "a\x00b",
        "bytes": "YWI=",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("base", "arguments"),
    [
        (int, (3,)), (float, (-0.5,)), (decimal.Decimal, ("1.50",)), (bytes, (b"ab",)),
        (datetime.date, (2026, 1, 2)), (datetime.time, (1, 2)), (datetime.timedelta, (1, 2, 3)),
        (datetime.datetime, (2026, 1, 2, 3, 4, 5, 6, datetime.UTC)),
        (datetime.datetime, (2026, 1, 2, 3, 4, 0, 0, datetime.timezone(datetime.timedelta(hours=-2)))),
        (datetime.datetime, (2026, 1, 2)),
    ],
)  # fmt: skip
def test_a_type_derived_from_a_plain_one_is_written_as_that(base: type, arguments: tuple[Any, ...]) -> None:
    """As those of numpy, pandas and pendulum are, and all times where freezegun stops the clock."""
    derived = type("Derived", (base,), {})
    assert to_json({"a": [derived(*arguments)]}, "x") == to_json({"a": [base(*arguments)]}, "x")


@pytest.mark.django_db
def test_a_save_works_where_the_clock_gives_a_type_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = type("FakeDatetime", (datetime.datetime,), {})
    monkeypatch.setattr("django.utils.timezone.datetime", fake)
    Hook.objects.create(signals=["created"], model=ContentType.objects.get_for_model(Vehicle), target="https://a.com/")
    Vehicle.objects.create(name="x")
    (callback,) = Callback.objects.all()
    assert callback.status == Status.WAITING


@pytest.mark.parametrize("value", [object(), {"a": {1: object()}}, "\ud800"])
def test_what_is_no_json_is_an_error_that_names_the_event(value: object) -> None:
    with pytest.raises(SnapshotError, match=r"shop\.order\.paid cannot be written as JSON"):
        to_json(value, "shop.order.paid")


@pytest.mark.django_db
def test_a_payload_that_is_no_json_is_an_error_of_the_callback_and_says_so() -> None:
    Hook.objects.create(signals=["weather.*"], target="https://example.com/")
    emit("weather.station.storm", payload={"force": object()})
    (callback,) = Callback.objects.all()
    assert callback.status == Status.ERROR
    assert "weather.station.storm" in callback.status_details
    assert "it holds a object" in callback.status_details
    assert json.loads(callback.event.body)["error"]


@pytest.mark.django_db
def test_an_event_comes_back_as_it_was_with_its_object() -> None:
    with captured_events() as events:
        bus = Vehicle.objects.create(name="55", price=decimal.Decimal("1.50"), plan={"a": [1]}, photo="x.png")
    (event,) = events
    back = event_from(body_of(event), context_of(event), "default")
    assert (back.id, back.type, back.object_id, back.time) == (event.id, event.type, event.object_id, event.time)
    assert back.instance == bus
    assert (back.instance.price, back.instance.plan, back.instance.photo.name) == (bus.price, {"a": [1]}, "x.png")
    assert back.instance.api_token == ""  # a secret is fetched when somebody looks at it


def test_who_did_it_and_how_deep_come_back_but_are_not_sent() -> None:
    actor, request = Actor("1", "ada"), RequestInfo("r", "POST", "/")
    event = Event(resource="a.b", action="c", actor=actor, request=request, depth=2)
    back = event_from(body_of(event), context_of(event), "default")
    assert (back.actor, back.request, back.depth) == (actor, request, 2)
    assert "ada" not in body_of(event)
