"""A JSON Schema of each event type, as messages in queues have it: the CloudEvent with its `data`."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from django.db import models

from heliostat.conf import conf
from heliostat.events.snapshot import visible_fields
from heliostat.events.types import declared_types, is_observable, is_silent, resources, types_of
from heliostat.queues.messages import DATA_SCHEMA, JSON_TYPE

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
KEY: Schema = {"type": ["integer", "string", "null"]}
ANY: Schema = {}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
VALUES: dict[str, Schema] = {
    "AutoField": WHOLE,
    "BigAutoField": WHOLE,
    "BigIntegerField": WHOLE,
    "BooleanField": {"type": "boolean"},
    "CharField": TEXT,
    "DateField": {"type": "string", "format": "date"},
    "DateTimeField": {"type": "string", "format": "date-time"},
    "DecimalField": TEXT,
    "DurationField": {"type": "string", "format": "duration"},
    "EmailField": TEXT,
    "FloatField": NUMBER,
    "GenericIPAddressField": TEXT,
    "IntegerField": WHOLE,
    "PositiveBigIntegerField": WHOLE,
    "PositiveIntegerField": WHOLE,
    "PositiveSmallIntegerField": WHOLE,
    "SlugField": TEXT,
    "SmallAutoField": WHOLE,
    "SmallIntegerField": WHOLE,
    "TextField": TEXT,
    "TimeField": {"type": "string", "format": "time"},
    "URLField": TEXT,
    "UUIDField": {"type": "string", "format": "uuid"},
}
"""How a value of each of Django's own fields is written; of any other field, it may be anything."""


def event_types(patterns: Iterable[str] = ("*",)) -> dict[str, str]:
    """Return the descriptions of the event types that are published and match one of these patterns, by type."""
    found = {
        name: f"A {model._meta.verbose_name} is {name.rpartition('.')[2]}."
        for _, model in sorted(resources().items())
        if is_observable(model) and not model._meta.auto_created
        for name in types_of(model)
        if not is_silent(name)
    }
    found |= declared_types()
    wanted = list(patterns)
    return {name: text for name, text in found.items() if any(fnmatchcase(name, one) for one in wanted)}


def schema_of(types: dict[str, str]) -> Schema:
    """Return one JSON Schema for the messages of these event types; each has its own under `$defs`."""
    definitions: dict[str, Schema] = {}
    for name, text in types.items():
        resource = name.rpartition(".")[0]
        if resource in resources():
            definitions.setdefault(resource, _object(resources()[resource]))
        definitions[name] = message_schema(name, text)
    return {
        "$schema": DIALECT,
        "$id": f"{DATA_SCHEMA}:messages",
        "title": "Events of this site in message queues (CloudEvents 1.0)",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in types],
        "$defs": definitions,
    }


def message_schema(name: str, text: str, at: str = "#/$defs") -> Schema:
    """Return the schema of the messages of an event type; that of its objects is at `at`."""
    resource, _, action = name.rpartition(".")
    is_of_model = resource in resources()
    data: dict[str, Schema] = {
        "id": {"type": "string", "format": "uuid"},
        "type": {"const": name},
        "timestamp": {"type": "string", "format": "date-time"},
        "object_type": {"const": resource},
        "object_id": KEY,
        "event_type": {"const": action},
        "object_serialization": {"$ref": f"{at}/{resource}"} if is_of_model else {"type": "object"},
        "changes": {"type": "object", "additionalProperties": {"type": "array", "minItems": 2, "maxItems": 2}},
    }
    required = list(data)
    data |= {"arguments": {"type": "object"}, "payload": ANY}
    return {
        "title": name,
        "description": text,
        "type": "object",
        "required": ["specversion", "id", "type", "source", "time", "datacontenttype", "dataschema", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "type": {"const": name},
            "source": {"const": conf.event_source},
            "time": {"type": "string", "format": "date-time"},
            "subject": {"type": "string", "minLength": 1},
            "datacontenttype": {"const": JSON_TYPE},
            "dataschema": {"const": DATA_SCHEMA},
            "data": {"type": "object", "required": required, "properties": data},
        },
    }


def _object(model: type[models.Model]) -> Schema:
    """Return the schema of the objects of a model: its fields that subscribers may see."""
    fields = {name: model._meta.get_field(name) for name, _, _ in visible_fields(model)}
    return {
        "title": str(model._meta.verbose_name),
        "type": "object",
        "properties": {name: _value(field) for name, field in fields.items()},
    }


def _value(field: Any) -> Schema:
    target = field
    while isinstance(target, models.ForeignKey):
        target = target.target_field
    is_djangos = type(target).__module__.startswith("django.db.models.fields")
    schema = VALUES.get(type(target).__name__, ANY) if is_djangos else ANY
    if isinstance(field, models.ForeignKey) and schema == WHOLE:
        schema = {"type": ["integer", "string"]}  # beyond 2^53 it is a text
    described = {"description": str(field.help_text)} if getattr(field, "help_text", "") else {}
    if field.null and "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        schema = {**schema, "type": [*kinds, "null"]}
    return {**schema, **described}
