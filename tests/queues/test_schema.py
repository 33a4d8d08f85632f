"""What consumers may rely on is written down: a JSON Schema of each event type, and an AsyncAPI document."""

from __future__ import annotations

import decimal
import json
from io import StringIO
from typing import Any

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from heliostat.outbox.models import Event as EventRow
from heliostat.testing import drain_outbox
from tests.example.models import Depot, Parcel, Stop, Tag, Tram, Vehicle
from tests.queues.destinations import RedisStream
from tests.queues.servers import need_port

pytestmark = pytest.mark.django_db(transaction=True)


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("eventtypes", *arguments, stdout=out)
    return out.getvalue()


def test_each_event_type_is_listed_with_its_description() -> None:
    lines = printed().splitlines()
    assert any(line.split("  ")[0] == "example.vehicle.created" for line in lines)
    assert any(line.endswith("A station measures a storm.") for line in lines)
    assert not any("sessions" in line for line in lines), "silenced"


def test_a_mistyped_pattern_is_an_error_with_what_was_meant() -> None:
    with pytest.raises(CommandError, match=r"Did you mean example.vehicle.created"):
        printed("example.vehicle.creatd")


def test_every_message_is_valid_by_the_schema_of_its_type(settings: Any) -> None:
    need_port(6379, "Redis")
    stream = RedisStream(6379)
    settings.EVENT_LISTENERS = {"stream": {**stream.section(), "resources": ["example.*"]}}
    depot = Depot.objects.create(name="North")
    vehicle = Vehicle.objects.create(
        name="55", price=decimal.Decimal("12.50"), bought=timezone.now(), depot=depot, plan={"a": [1]}
    )
    vehicle.tags.set([Tag.objects.create(word="new")])
    vehicle.name = "56"
    vehicle.save()
    vehicle.delete()
    Tram.objects.create(name="1")
    Parcel.objects.create(weight=3)
    Stop.objects.create(code="a/b “c”")
    drain_outbox()
    schema = json.loads(printed("--schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    found = stream.events()
    assert len(found) == EventRow.objects.count() > 8
    for event in found:
        own = {**schema, "anyOf": [{"$ref": f"#/$defs/{event['type']}"}]}
        jsonschema.Draft202012Validator(own).validate(event)
    stream.close()


def test_a_message_that_is_something_else_is_not_valid() -> None:
    schema = json.loads(printed("example.vehicle.*", "--schema"))
    assert schema["$defs"]["example.vehicle"]["properties"]["seats"]["type"] == "integer"
    assert "api_token" not in schema["$defs"]["example.vehicle"]["properties"], "a secret"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({"specversion": "1.0", "type": "example.vehicle.created"})


def test_the_asyncapi_document_says_what_is_published_where(settings: Any) -> None:
    url = "redis://me:hunter2@queue.example.org:6390/0"
    section = {"use": "heliostat.queues.redis", "url": url, "stream": "fleet"}
    settings.EVENT_LISTENERS = {"stream": {**section, "resources": ["vehicle"], "actions": ["create"]}}
    settings.HELIOSTAT_QUEUES = {"pipeline": {**section, "stream": "pipeline"}}
    text = printed("--asyncapi")
    document = json.loads(text)
    assert document["asyncapi"] == "3.0.0"
    (server,) = document["servers"].values()
    assert server == {"host": "queue.example.org:6390", "protocol": "redis"}
    assert "hunter2" not in text
    channel = document["channels"]["stream"]
    assert channel["address"] == "fleet"
    assert list(channel["messages"]) == ["example.vehicle.created"]
    assert document["operations"]["publish-stream"]["action"] == "send"
    assert "example.depot.deleted" in document["channels"]["hooks-pipeline"]["messages"]
    for reference in _references(document):
        place: Any = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if "$ref" in value else []
        return own + [one for item in value.values() for one in _references(item)]
    return [one for item in value for one in _references(item)] if isinstance(value, list) else []
