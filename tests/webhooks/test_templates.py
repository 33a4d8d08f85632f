"""Payload templates: what they give, what they refuse, and that nobody can reach through them."""

from __future__ import annotations

import contextlib
import datetime
import json
import time
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth import get_user_model
from hypothesis import given
from hypothesis import strategies as st

from heliostat import emit
from heliostat.events.event import Event
from heliostat.webhooks.exceptions import InvalidHeadersError, InvalidPayloadError
from heliostat.webhooks.models import Hook
from heliostat.webhooks.template_context import value_at
from heliostat.webhooks.templates import LONGEST_TEMPLATE, MOST_PLACEHOLDERS, compiled
from tests.example.models import Depot, Parcel, Tag, Vehicle
from tests.example.signals import broken_down
from tests.webhooks.payload_hooks import URL, callback_bodies, hook

JSON = "application/json"


def rendered(template: str, value: Any, content_type: str = JSON) -> str:
    event = Event(resource="a.b", action="crashed", arguments={"value": value})
    return compiled(template, content_type).render(event)


@pytest.mark.parametrize(
    ("value", "bare", "quoted"),
    [
        (7, 7, "7"),
        (None, None, ""),
        (True, True, "true"),
        ("O'B", "O'B", "O'B"),
        ('a"b\\c\nd', 'a"b\\c\nd', 'a"b\\c\nd'),
        ("<&>", "<&>", "<&>"),
        (Decimal("1.50"), "1.50", "1.50"),
        (datetime.date(2026, 1, 2), "2026-01-02", "2026-01-02"),
        ([1, "x"], [1, "x"], '[1,"x"]'),
        (float("nan"), None, "null"),
    ],
)
def test_a_value_in_json_keeps_its_type_when_bare_and_is_escaped_inside_quotes(
    value: Any, bare: Any, quoted: str
) -> None:
    assert json.loads(rendered('{"bare": {{value}}, "quoted": "<{{ value }}>"}', value)) == {
        "bare": bare,
        "quoted": f"<{quoted}>",
    }


def test_an_apostrophe_is_sent_as_it_is_not_escaped_for_html() -> None:
    assert rendered('"{{value}}"', "O'B") == '"O\'B"'


@given(st.text())
def test_any_text_survives_json_xml_and_plain_text(value: str) -> None:
    assert json.loads(rendered('{"a": "{{value}}", "{{value}}": {{value}}}', value)) == (
        {"a": value, value: value} if value != "a" else {"a": "a"}
    )
    if not set(value) - {chr(code) for code in (*range(0x20, 0xD800), *range(0xE000, 0xFFFE), 9, 10, 13)}:
        root = ElementTree.fromstring(rendered('<a b="{{value}}">{{value}}</a>', value, "application/xml"))
        assert (root.text or "", root.attrib["b"]) == (value, value)
    assert rendered("{{value}}", value, "text/plain") == value.replace("\x00", "\ufffd")


def test_what_xml_cannot_hold_is_replaced() -> None:
    assert ElementTree.fromstring(rendered("<a>{{value}}</a>", "\x00\x08\uffff", "text/xml")).text == "\ufffd" * 3


@pytest.mark.parametrize("content_type", ["application/xml", "text/xml; charset=utf-8", "application/atom+xml"])
def test_xml_is_escaped_as_xml(content_type: str) -> None:
    assert rendered("<a>{{value}}</a>", "<b>&'\"", content_type) == "<a>&lt;b&gt;&amp;&#x27;&quot;</a>"


def test_braces_that_close_an_object_after_a_name_are_no_part_of_it() -> None:
    assert rendered('{"a":{"b":{"c":{{value}}}}}', 1) == '{"a":{"b":{"c":1}}}'


@pytest.mark.parametrize(
    ("template", "content_type", "place", "words"),
    [
        ('{"a": {{instance.id}},}', JSON, "line 1, column 2", "no valid JSON"),
        ('{\n  "a": {{instance.id}}\n  "b": 1}', JSON, "line 3, column 3", "delimiter"),
        ("{{{instance.name}}: 1}", JSON, "line 1, column 2", "no valid JSON"),
        ('{"a": "\\{{instance.name}}"}', JSON, "line 1, column 8", "no valid JSON"),
        ('{"a": {{instance.name}}{{instance.id}}}', "application/geo+json; x=y", "column 24", "no valid JSON"),
        ('{"a":\n NaN}', JSON, "line 2, column 2", "NaN"),
        ("[" * 60_000, JSON, "line 1", "no valid JSON"),
        ("", JSON, "", ""),
        ("<a>{{instance.name}}</b>", "text/xml", "line 1, column 23", "mismatched tag"),
        ("<a><{{instance.name}}/></a>", "application/xml", "line 1, column 5", "no valid XML"),
        ("<a b={{instance.name}}/>", "application/soap+xml", "line 1", "no valid XML"),
        ("<a>\n<!-- {{instance.name}} --></a>", "text/xml", "line 2, column 1", "comment"),
        ("<a><![CDATA[{{instance.name}}]]></a>", "text/xml", "line 1", "CDATA"),
        ("<?x {{instance.name}}?><a/>", "text/xml", "line 1", "processing instruction"),
        ("<x:a>{{instance.name}}</x:a>", "text/xml", "line 1", "prefix"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "text/xml", "line 1", "document type"),
        ('<?xml version="1.0" encoding="latin-1"?><a/>', "text/xml", "line 1", "UTF-8"),
        ("a\n b {{instance.name|upper}}", "text/plain", "line 2, column 4", "no filters"),
        ("{{instance.delete()}}", "text/plain", "line 1, column 1", "no filters, calls"),
        ("{{}}", "text/plain", "line 1, column 1", "no name"),
        ("x {{instance.name}", "text/plain", "line 1, column 3", "two braces"),
        ("x\x00", "text/plain", "line 1, column 2", "NUL"),
        ("x\ud800", "text/plain", "line 1, column 2", "half a character"),
        ("x" * (LONGEST_TEMPLATE + 1), "text/plain", "", "longer than 65536 bytes"),
        ("{{instance.name}}" * (MOST_PLACEHOLDERS + 1), "text/plain", "", "placeholders"),
    ],
)
@pytest.mark.django_db
def test_a_template_that_cannot_work_is_refused_with_its_place(
    template: str, content_type: str, place: str, words: str
) -> None:
    if not template:
        hook(payload_template=template, content_type=content_type)  # none at all is right
        return
    with pytest.raises(InvalidPayloadError) as raised:
        hook(payload_template=template, content_type=content_type)
    assert place in raised.value.messages[0]
    assert words in raised.value.messages[0]
    assert not Hook.objects.exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("instance.delete", "methods and properties are not called"),
        ("instance.save", "not called"),
        ("instance.objects", "no field"),
        ("instance.tags", "many objects"),
        ("instance.depot.vehicle_set", "many objects"),
        ("instance.depot.vehicle_set.all.delete", "many objects"),
        ("instance._state.db", "private"),
        ("instance.__class__", "private"),
        ("_instance", "private"),
        ("instance.api_token", "secret"),
        ("instance.nmae", "Did you mean name"),
        ("instance.name.upper", "plain value"),
        ("instance.depot.a.b.c.d.e", "deeper than 5"),
        ("evnt_type", "Did you mean event_type"),
        ("settings.SECRET_KEY", "not known"),
    ],
)
@pytest.mark.django_db
def test_names_that_reach_too_far_are_refused_when_a_hook_is_saved(name: str, words: str) -> None:
    template = '{"a": {{%s}}}' % name  # noqa: UP031  braces
    with pytest.raises(InvalidPayloadError, match=words) as raised:
        hook(payload_template=template, signals=["created"])
    assert "line 1, column 7" in raised.value.messages[0]


@pytest.mark.parametrize(
    "name",
    [
        "instance.delete", "instance.save", "instance.objects", "instance.tags", "instance.depot.vehicle_set",
        "instance._state", "instance.__class__", "instance.__dict__", "instance.api_token", "instance.nothing",
        "instance.name.upper", "instance.depot.delete", "instance.pk.__class__", "settings.SECRET_KEY",
        "instance.plan.__class__", "instance.plan.keys", "instance.depot.name.x", "instance.tram",
        "instance._meta.app_label", "instance.tram.line",
    ],
)  # fmt: skip
@pytest.mark.django_db
def test_where_it_cannot_be_known_before_such_a_name_is_null(name: str) -> None:
    bus = Vehicle.objects.create(name="55", depot=Depot.objects.create(name="North"), api_token="abc", plan={"a": 1})
    event = Event(resource="example.vehicle", action="created", object_id="1", instance=bus)
    assert value_at(event, name.split(".")) is None
    assert Vehicle.objects.count() == 1
    assert Depot.objects.count() == 1


@pytest.mark.django_db
def test_nested_attributes_the_event_and_the_signal_s_own_arguments_are_filled_in() -> None:
    hook(
        payload_template='{"id": {{instance.id}}, "pk": {{instance.pk}}, "depot": "{{instance.depot.name}}", '
        '"depot_id": {{instance.depot_id}}, "depot_key": {{instance.depot}}, "stop": {{instance.plan.stops.first}}, '
        '"type": "{{event_type}}", "full": {{type}}, "speed": {{speed}}, "driver": {{driver.object_id}}, '
        '"missing": {{missing}}, "changes": {{changes}}}',
        signals=["tests.example.signals.broken_down"],
    )
    depot = Depot.objects.create(name='North "1" & <2>')
    bus = Vehicle.objects.create(name="55", depot=depot, plan={"stops": {"first": "A"}})
    broken_down.send(sender=Vehicle, instance=bus, speed=12.5, driver=Tag.objects.create(word="Ada"))
    (body,) = callback_bodies()
    assert body is not None
    assert json.loads(body) == {
        "id": bus.pk, "pk": bus.pk, "depot": 'North "1" & <2>', "depot_id": depot.pk, "depot_key": depot.pk,
        "stop": "A", "type": "broken_down", "full": "example.vehicle.broken_down", "speed": 12.5,
        "driver": str(Tag.objects.get().pk), "missing": None, "changes": {},
    }  # fmt: skip


@pytest.mark.django_db
def test_ids_that_are_uuids_are_written_as_text() -> None:
    hook(Parcel, payload_template='{"bare": {{instance.id}}, "quoted": "{{instance.pk}}"}')
    parcel = Parcel.objects.create(weight=3)
    assert callback_bodies() == [f'{{"bare": "{parcel.pk}", "quoted": "{parcel.pk}"}}']


@pytest.mark.django_db
def test_a_payload_shows_the_object_as_it_was_and_a_deleted_one_too() -> None:
    from django.db.models import F

    hook(payload_template='[{{instance.id}}, {{instance.seats}}, "{{event_type}}"]')
    bus = Vehicle.objects.create(name="55", seats=1)
    key = bus.pk
    bus.seats = F("seats") + 1
    bus.save()
    bus.refresh_from_db()
    bus.delete()
    assert callback_bodies() == [f'[{key}, 1, "created"]', f'[{key}, 2, "updated"]', f'[{key}, 2, "deleted"]']


@pytest.mark.django_db
def test_a_template_of_an_object_s_own_fields_asks_the_database_nothing(django_assert_num_queries: Any) -> None:
    hook(payload_template='["{{instance.name}}", {{instance.depot}}, {{instance.speed}}]')
    depot = Depot.objects.create(name="North")
    Vehicle.objects.create(name="warm")
    with django_assert_num_queries(3) as context:
        Vehicle.objects.create(name="55", depot_id=depot.pk)
    assert not [query for query in context.captured_queries if "SELECT" in query["sql"][:6]]


@pytest.mark.django_db
def test_the_password_hash_of_a_user_is_in_no_template() -> None:
    with pytest.raises(InvalidPayloadError, match="secret"):
        hook(get_user_model(), payload_template="{{instance.password}}", content_type="text/plain")
    Hook.objects.create(signals=["auth.*"], target=URL, payload_template='["{{instance.password}}", {{instance.id}}]')
    user = get_user_model().objects.create_user("ada", password="x")
    assert callback_bodies() == [f'["", {user.pk}]']


@pytest.mark.django_db
def test_a_secret_field_that_the_project_exposes_may_be_named(settings: Any) -> None:
    settings.HELIOSTAT_EXPOSE = {"example.vehicle": ["api_token"]}
    hook(payload_template='"{{instance.api_token}}"')
    Vehicle.objects.create(name="55", api_token="shown")
    assert callback_bodies() == ['"shown"']


@pytest.mark.django_db
def test_an_event_without_an_object_has_nulls_for_it() -> None:
    Hook.objects.create(
        signals=["weather.*"], target=URL, payload_template="[{{instance.name}}, {{instance}}, {{event_type}}]"
    )
    emit("weather.station.storm")
    assert callback_bodies() == ['[null, null, "storm"]']


@pytest.mark.django_db
def test_a_template_on_a_change_of_content_type_is_checked_again() -> None:
    made = hook(payload_template="plain {{instance.name}}", content_type="text/plain")
    made.content_type = JSON
    with pytest.raises(InvalidPayloadError, match="line 1, column 1"):
        made.save()


@pytest.mark.parametrize("content_type", ["", "json", "a/b\r\nX: y", "a b/c"])
@pytest.mark.django_db
def test_what_is_no_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(InvalidHeadersError, match=r"content.type"):
        hook(content_type=content_type)


@pytest.mark.parametrize("text", ["{" * 65_536, "{{a" * 20_000, '"' * 65_536, "\\" * 65_536])
def test_no_template_takes_long(text: str) -> None:
    began = time.perf_counter()
    for content_type in (JSON, "text/xml", "text/plain"):
        with contextlib.suppress(InvalidPayloadError):
            compiled(text, content_type)
    assert time.perf_counter() - began < 1


def test_a_body_cannot_grow_without_end() -> None:
    with pytest.raises(InvalidPayloadError, match="longer than 1048576"):
        rendered('["{{value}}", "{{value}}"]', "x" * 600_000)
