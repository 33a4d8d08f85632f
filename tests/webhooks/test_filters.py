"""Filters: a hook is notified only of what its conditions hold for; what they may say, and what they mean."""

from __future__ import annotations

import datetime
import json
import re
import time
import timeit
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import NON_FIELD_ERRORS, ObjectDoesNotExist, ValidationError
from django.forms import modelform_factory
from hypothesis import given
from hypothesis import strategies as st

import heliostat
from heliostat import emit, quiet
from heliostat.events.event import Event
from heliostat.outbox.models import Callback
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.exceptions import InvalidFiltersError
from heliostat.webhooks.filters import compiled
from heliostat.webhooks.models import Hook
from tests.example.models import Depot, Parcel, Tag, Vehicle

URL = "https://receiver.example.com/"
OF_VEHICLES = ("example.vehicle.*",)


def ask(filters: Any, **fields: Any) -> Hook:
    return create_hook(**{"model": Vehicle, "target_url": URL, "filters": filters, **fields})


def notified(using: str = "default") -> list[str]:
    """The actions that were published since the last look, in order."""
    rows = Callback.objects.using(using).order_by("pk")
    actions = [row.event.action for row in rows.select_related("event")]
    rows.delete()
    return actions


def holds(filters: Any, patterns: tuple[str, ...] = OF_VEHICLES, **facts: Any) -> bool:
    event = Event(**{"resource": "example.vehicle", "action": "updated", "object_id": "1", **facts})
    condition = compiled(filters, patterns)
    assert condition is not None
    return condition(event)


def refused(filters: Any, patterns: tuple[str, ...] = OF_VEHICLES) -> str:
    with pytest.raises(InvalidFiltersError) as caught:
        compiled(filters, patterns)
    return caught.value.messages[0]


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_hook_is_notified_when_a_field_goes_from_one_value_to_another(using: str) -> None:
    ask({"from_to": {"type": {"from": "PENDING", "to": "COMPLETED"}}})
    bus = Vehicle.objects.using(using).create(name="55", type="PENDING")
    bus.name = "56"
    bus.save()
    assert notified(using) == []
    bus.type = "COMPLETED"
    bus.save()
    assert notified(using) == ["updated"]
    bus.save()
    bus.type = "PENDING"
    bus.save()
    assert notified(using) == []


@pytest.mark.django_db(transaction=True)
def test_a_hook_is_notified_only_if_given_fields_changed_relations_among_them() -> None:
    ask({"changed": ["seats", "tags"]})
    bus = Vehicle.objects.create(name="55", seats=40)
    bus.name = "56"
    bus.save()
    assert notified() == []
    bus.seats = 41
    bus.save()
    bus.tags.add(Tag.objects.create(word="old"))
    assert notified() == ["updated", "updated"]


@pytest.mark.django_db(transaction=True)
def test_a_hook_is_notified_of_the_actions_that_it_names() -> None:
    ask({"any": [{"actions": ["deleted", "crashed"]}, {"changed": ["type"]}]})
    bus = Vehicle.objects.create(name="55")
    heliostat.emit("crashed", bus)
    heliostat.emit("repaired", bus)
    Vehicle.objects.filter(pk=bus.pk).get().delete()
    assert notified() == ["crashed", "deleted"]


@pytest.mark.django_db(transaction=True)
def test_payloads_and_arguments_of_events_can_be_asked_about() -> None:
    ask({"payload": "where.street", "startswith": "Main"})
    ask({"argument": "speed", "gt": 100})
    bus = Vehicle.objects.create(name="55")
    heliostat.emit("crashed", bus, payload={"where": {"street": "Main Street"}})
    heliostat.emit("passed", bus, arguments={"speed": Decimal("120.5")})
    heliostat.emit("passed", bus, arguments={"speed": "fast"})
    assert notified() == ["crashed", "passed"]


@pytest.mark.django_db(transaction=True)
def test_a_field_that_was_not_loaded_is_looked_up() -> None:
    ask({"field": "type", "eq": "tram"})
    Vehicle.objects.create(name="55", type="tram")
    Vehicle.objects.defer("type").get().save()
    assert notified() == ["created", "updated"]


@pytest.mark.django_db(transaction=True)
def test_other_filters_count_from_the_next_event_on() -> None:
    hook = ask({"field": "seats", "gte": 40})
    Vehicle.objects.create(name="small", seats=8)
    assert notified() == []
    Hook.objects.filter(pk=hook.pk).update(filters={"field": "seats", "lt": 40})
    Vehicle.objects.create(name="small", seats=8)
    assert notified() == ["created"]


BUS = {
    "id": 1,
    "name": "O'B 55",
    "type": "bus",
    "speed": 50.0,
    "seats": 40,
    "price": Decimal("12.50"),
    "plan": {"flags": [True, 0], "stops": ["A", "B"], "on": True, "length": 3, "since": "2026"},
    "bought": datetime.datetime(2026, 1, 31, 23, 30, tzinfo=datetime.UTC),
    "depot": 7,
    "photo": None,
}
AS_JSON = {**BUS, "price": "12.50", "bought": "2026-01-31T23:30:00Z"}


@pytest.mark.parametrize("snapshot", [BUS, AS_JSON], ids=["happened here", "read from JSON"])
@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ({"field": "pk", "eq": 1}, True),
        ({"field": "seats", "eq": 40.0}, True),
        ({"field": "seats", "gt": 39, "lt": 41}, True),
        ({"field": "seats", "gt": 9, "lt": 30}, False),  # as numbers, not as texts
        ({"field": "price", "eq": "12.5"}, True),
        ({"field": "price", "eq": 12.5}, True),
        ({"field": "price", "lt": "100"}, True),
        ({"field": "price", "in": [1, "12.5"]}, True),
        ({"field": "bought", "eq": "2026-02-01T00:30:00+01:00"}, True),
        ({"field": "bought", "gte": "2026-02-01"}, False),
        ({"field": "bought", "lt": "2026-02-01T00:00:00"}, True),
        ({"field": "type", "in": ["bus", "tram"]}, True),
        ({"field": "type", "ne": "tram"}, True),
        ({"field": "name", "contains": "'B"}, True),
        ({"field": "name", "startswith": "o"}, False),
        ({"field": "name", "endswith": "55"}, True),
        ({"field": "depot", "eq": 7}, True),
        ({"field": "photo", "isnull": True}, True),
        ({"field": "photo", "eq": None}, True),
        ({"field": "photo", "ne": "a.jpg"}, True),
        ({"field": "photo", "ne": None}, False),
        ({"field": "photo", "in": ["a.jpg", None]}, True),
        ({"field": "photo", "contains": "a"}, False),
        ({"field": "plan.stops", "contains": "A"}, True),
        ({"field": "plan.flags", "contains": True}, True),
        ({"field": "plan.flags", "contains": 1}, False),
        ({"field": "plan.flags", "contains": 0}, True),
        ({"field": "plan.flags", "contains": False}, False),
        ({"field": "plan", "contains": "on"}, True),
        ({"field": "plan.on", "eq": True}, True),
        ({"field": "plan.on", "eq": 1}, False),  # true is no number
        ({"field": "plan.length", "gte": 3}, True),
        ({"field": "plan.length", "gte": "1"}, False),  # a number is no text
        ({"field": "plan.length", "startswith": "3"}, False),
        ({"field": "plan.since", "gt": "2025"}, True),
        ({"field": "plan.none.deeper", "isnull": True}, True),
        ({"field": "plan.stops", "in": [["A", "B"]]}, True),
        ({"field": "plan.since", "contains": 2}, False),
        ({"not": {"field": "seats", "eq": 40}}, False),
        ({"all": [{"field": "seats", "eq": 40}, {"field": "type", "eq": "tram"}]}, False),
        ({"any": [{"field": "seats", "eq": 41}, {"field": "type", "eq": "bus"}]}, True),
        ({"any": [{"field": "seats", "eq": 41}, {"field": "type", "eq": "tram"}]}, False),
    ],
)
def test_values_are_compared_by_the_type_of_their_field(
    comparison: Any, expected: bool, snapshot: dict[str, Any]
) -> None:
    assert holds(comparison, snapshot=snapshot) is expected


def test_a_moment_without_a_time_zone_is_meant_in_the_site_s(settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    noon = {"bought": datetime.datetime(2026, 1, 31, 12)}  # somebody assigned it so, and Django saved it so
    assert holds({"field": "bought", "eq": "2026-01-31T11:00:00Z"}, snapshot=noon)
    assert holds({"field": "bought", "gt": "2026-01-31T11:59:00"}, snapshot=noon)


def test_keys_of_other_types_are_compared_as_such() -> None:
    weighed = {"resource": "example.parcel", "snapshot": {"id": "0b1f6bd2-5a2a-4d5c-8f5e-0f4cf6b3a0aa"}}
    assert holds({"field": "id", "eq": "0B1F6BD25A2A4D5C8F5E0F4CF6B3A0AA"}, ("example.parcel.*",), **weighed)


def test_where_it_is_not_known_which_model_it_will_be_values_are_compared_as_sent() -> None:
    anything = ("example.*",)
    assert holds({"field": "bought", "lt": "2026-02"}, anything, snapshot=BUS)
    assert holds({"field": "price", "gt": 12}, anything, snapshot=BUS)
    assert holds({"field": "whatever", "isnull": True}, anything, snapshot=BUS)


def test_steps_may_leave_an_end_open_or_name_several_values() -> None:
    def went(filters: Any, before: str, after: str) -> bool:
        return holds({"from_to": {"type": filters}}, changes={"type": (before, after)})

    assert went({"to": "COMPLETED"}, "PENDING", "COMPLETED")
    assert not went({"to": "COMPLETED"}, "PENDING", "FAILED")
    assert went({"from": "PENDING"}, "PENDING", "FAILED")
    assert went({"to": ["COMPLETED", "FAILED"]}, "PENDING", "FAILED")
    assert not holds({"from_to": {"type": {"to": "COMPLETED"}}}, changes={})


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ([], "filters: a condition is an object"),
        ({"where": 1}, "filters: there is no “where”"),
        ({"chnged": ["type"]}, "there is no “chnged”. Did you mean changed?"),
        ({"changed": "type"}, "filters.changed: give a list"),
        ({"changed": ["typ"]}, "filters.changed: Vehicle has no field “typ”. Did you mean type?"),
        ({"changed": ["api_token"]}, "filters.changed: “api_token” is a secret"),
        ({"field": "api_token", "startswith": "a"}, "filters.field: “api_token” is a secret"),
        ({"from_to": {"api_token": {"to": "a"}}}, "is a secret"),
        ({"from_to": {"type": ["a", "b"]}}, 'filters.from_to.type: give an object with "from", "to"'),
        ({"from_to": {"tags": {"to": 1}}}, "“tags” is many objects"),
        ({"from_to": {"seats": {"to": "many"}}}, 'filters.from_to.seats.to: give a number, not "many"'),
        ({"actions": ["create"]}, "filters.actions: “create” is no action of example.vehicle. Did you mean created"),
        ({"all": []}, "filters.all: give a list of at least one condition"),
        ({"all": [{"field": "seats", "gt": 1}, {"field": "speeed", "gt": 1}]}, "filters.all[1].field: Vehicle has no"),
        ({"not": {"any": [{"field": "seats", "gt": "1"}]}}, "filters.not.any[0].gt: give a number"),
        ({"field": "seats"}, "a comparison has one of field, payload, argument, and at least one of eq"),
        ({"eq": 1}, "a comparison has one of"),
        ({"field": "seats", "payload": "a", "eq": 1}, "a comparison has one of"),
        ({"field": "seats", "eq": True}, "give a number, not true"),
        ({"field": "price", "eq": "much"}, "give a number, or a text that is one"),
        ({"field": "price", "eq": "NaN"}, "give a number"),
        ({"field": "bought", "gt": "yesterday"}, "filters.gt: give a date and time such as"),
        ({"field": "bought", "gt": "2026-02-31"}, "filters.gt: give a date and time such as"),
        ({"field": "seats", "contains": 1}, "filters.contains: is nothing to ask of a number"),
        ({"field": "seats", "in": []}, "filters.in: give a list of at least one"),
        ({"field": "seats", "isnull": 0}, "filters.isnull: give true or false"),
        ({"field": "depot.name", "eq": "North"}, "of a reference, only its key is"),
        ({"field": "tags", "contains": 1}, "“tags” is many objects"),
        ({"field": "type.", "eq": "a"}, "filters.field: give a name"),
        ({"field": "plan.a.b.c.d.e", "eq": "a"}, "at most 5 parts"),
        ({"field": "type", "eq": "a\x00"}, "NUL"),
        ({"field": "type", "eq": "\ud800"}, "no JSON"),
        ({"field": "plan.x", "eq": float("nan")}, "no JSON"),
        ({"field": "plan.x", "eq": {1, 2}}, "no JSON"),
        ({"field": "type", "eq": "a" * 20_000}, "longer than 16384 bytes"),
        ({"any": [{"field": "seats", "eq": 1}] * 101}, "at most 100 conditions"),
    ],
)
@pytest.mark.django_db
def test_what_means_nothing_is_refused_with_its_place(filters: Any, words: str) -> None:
    assert words in refused(filters)


def test_conditions_in_conditions_have_an_end() -> None:
    filters: dict[str, Any] = {"field": "seats", "eq": 1}
    for _ in range(8):
        filters = {"not": filters}
    assert "at most 8 deep" in refused(filters)
    for _ in range(100_000):
        filters = {"not": filters}
    refused(filters)


def test_an_action_that_the_signals_leave_out_is_a_mistake() -> None:
    assert "is not notified of “deleted”" in refused({"actions": ["deleted"]}, ("example.vehicle.created",))


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["all", "any", "not", "field", "payload", "changed", "eq", "in", "gt", "contains", "type"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(filters=nested, value=nested)
def test_whatever_is_written_is_refused_or_answers_yes_or_no(filters: Any, value: Any) -> None:
    try:
        condition = compiled(filters, ("*",))
    except InvalidFiltersError:
        return
    if condition is not None:
        event = Event(resource="a.b", action="c", snapshot={"type": value}, payload=value)
        assert condition(event) in (True, False)


@pytest.mark.django_db(transaction=True)
def test_the_error_stands_at_its_field_in_a_form_and_in_every_other_way() -> None:
    with pytest.raises(InvalidFiltersError) as caught:
        ask({"changed": ["typ"]})
    assert list(caught.value.message_dict) == ["filters"]
    wrong = Hook(
        target_url=URL,
        signals=["example.vehicle.created"],
        filters={"x": 1},
        payload_template="{",
        serializer_class="os.system",
    )
    with pytest.raises(ValidationError) as several:
        wrong.full_clean(exclude=["encrypted_secret", "user"])
    assert set(several.value.message_dict) == {
        "filters",
        "payload_template",
    }  # a serializer beside a template is ignored


@pytest.mark.django_db(transaction=True)
def test_a_form_names_a_field_that_it_does_not_show() -> None:
    hook = ask({"changed": ["type"]})
    Hook.objects.filter(pk=hook.pk).update(filters={"changed": ["typ"]})  # nobody looks at what is done in bulk
    form = modelform_factory(Hook, fields=["name"])({"name": "new"}, instance=Hook.objects.get())
    assert "Did you mean type?" in str(form.errors[NON_FIELD_ERRORS])


@pytest.mark.django_db(transaction=True)
def test_filters_that_can_be_read_no_longer_keep_nothing_back_and_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook = ask({"field": "type", "eq": "tram"})
    Hook.objects.filter(pk=hook.pk).update(filters={"field": "gone", "eq": 1})
    Vehicle.objects.create(name="55")
    assert notified() == ["created"]
    assert f"hook {hook.pk}: its filters cannot be read, and it is notified of everything" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_filter_that_fails_keeps_nothing_back_does_not_break_the_change_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook = ask({"field": "type", "eq": "tram"})
    bus = half_loaded_and_gone()
    emit("crashed", bus)  # what it was can not be looked up any more
    assert notified() == ["crashed"]
    assert f"hook {hook.pk}: its filters failed for example.vehicle.crashed" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_project_may_want_a_filter_that_fails_to_raise(settings: Any) -> None:
    settings.DJANGO_HTTP_HOOKS_RAISE_EXCEPTIONS = True
    ask({"field": "type", "eq": "tram"})
    bus = half_loaded_and_gone()
    with pytest.raises(ObjectDoesNotExist):
        emit("crashed", bus)
    assert notified() == []


def half_loaded_and_gone() -> Vehicle:
    """An object without its type, whose row another program has deleted since."""
    with quiet():
        Vehicle.objects.create(name="55", type="bus")
    bus = Vehicle.objects.defer("type").get()
    Vehicle.objects.all()._raw_delete("default")
    return bus


def test_a_condition_costs_microseconds() -> None:
    condition = compiled({"changed": ["type"], "field": "seats", "gte": 30}, OF_VEHICLES)
    event = Event(resource="example.vehicle", action="updated", snapshot=BUS, changes={"type": ("a", "b")})
    assert condition is not None
    assert min(timeit.repeat(lambda: condition(event), number=1000, repeat=20)) / 1000 < 20e-6  # about 0.6 µs


@pytest.mark.parametrize("value", ["b" * 1_000_000, ["b"] * 100_000, [1] * 100_000], ids=["text", "texts", "numbers"])
@pytest.mark.parametrize("item", ["b" * 50 + "a", True])
def test_no_filter_takes_long_however_large_the_object(value: Any, item: Any) -> None:
    condition = compiled({"any": [{"field": "plan.x", "contains": item}] * 99}, OF_VEHICLES)
    event = Event(resource="example.vehicle", action="updated", snapshot={"plan": {"x": value}})
    assert condition is not None
    began = time.process_time()
    condition(event)
    assert time.process_time() - began < 10  # about 0.2 s


@pytest.mark.django_db(transaction=True)
def test_the_hooks_of_another_model_are_read_with_its_fields() -> None:
    with pytest.raises(InvalidFiltersError, match="Parcel has no field “seats”"):
        ask({"field": "seats", "eq": 1}, model=Parcel)
    assert ask({"field": "weight", "eq": 1}, model=None, signals=["example.parcel.*"]).pk
    assert Depot.objects.count() == 0


def test_the_examples_of_the_document_can_be_saved() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text()
    section = text.split("\n## Filters\n")[1].split("\n## ")[0]
    examples = re.findall(r"```json\n(.*?)```", section, flags=re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        compiled(json.loads(example), ("observations.observationrecord.*",))
