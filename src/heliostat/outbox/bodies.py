"""Events as JSON: the default body of a web hook, and the way back to an `Event` in a worker."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils.functional import Promise

from heliostat.conf import conf
from heliostat.events.event import Actor, Event, RequestInfo
from heliostat.events.secrets import has_secret_key
from heliostat.events.snapshot import rebuilt
from heliostat.exceptions import SnapshotError


def to_json(value: Any, what: str) -> str:
    """JSON text; NaN and infinity become null. Raises `SnapshotError` that names `what` and the offending type."""
    try:
        return _encoder.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError, UnicodeEncodeError) as error:
        raise SnapshotError(f"{what} cannot be written as JSON: {error}") from error


def bounded(body: str, what: str) -> str:
    """The same body. Raises `SnapshotError` that names `what` where it is larger than anybody could be sent."""
    limit = conf.body_limit
    if len(body) * 4 <= limit or (size := len(body.encode())) <= limit:  # a character has four bytes at most
        return body
    raise SnapshotError(
        f"{what} has a body of {size:,} bytes; HELIOSTAT_BODY_LIMIT allows {limit:,}. "
        "Tell less (a template, a serializer, or a payload of your own, with an address to fetch the rest from)."
    )


def _other(value: Any) -> Any:
    if isinstance(value, (str, Promise)):  # a text of a type of its own, or not yet translated
        return str.__str__(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, models.Model):
        return None if has_secret_key(type(value)) else value.pk
    if isinstance(value, FieldFile):
        return value.name or None
    raise TypeError(f"it holds a {type(value).__name__}; give numbers, texts, lists and dicts of them")


_encoder = msgspec.json.Encoder(enc_hook=_other)


def body_of(event: Event) -> str:
    """The default body, with the keys that receivers are taught."""
    body: dict[str, Any] = {
        "id": event.id,
        "type": event.type,
        "timestamp": event.time,
        "object_type": event.resource,
        "object_id": event.object_id,
        "event_type": event.action,
        "object_serialization": event.snapshot,
        "changes": event.changes,
    }
    if event.arguments:
        body["arguments"] = event.arguments
    if event.payload is not None:
        body["payload"] = event.payload
    return bounded(to_json(_plain(body), event.type), event.type)


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    return {key: dict(value) if isinstance(value, Mapping) else value for key, value in body.items()}


def context_of(event: Event) -> str:
    """What only Heliostat itself needs to know later; never sent to anybody."""
    facts = {"actor": event.actor, "request": event.request, "depth": event.depth, "uri": event.uri, "text": event.text}
    return to_json(facts, event.type)


class _Context(msgspec.Struct):
    actor: Actor | None = None
    request: RequestInfo | None = None
    depth: int = 0
    uri: str | None = None
    text: str | None = None


class _Body(msgspec.Struct):
    id: UUID
    timestamp: datetime.datetime
    object_type: str
    object_id: str | None
    event_type: str
    object_serialization: dict[str, Any]
    changes: dict[str, tuple[Any, Any]]
    arguments: dict[str, Any] = {}
    payload: Any = None


def event_from(body: str, context: str, using: str) -> Event:
    """The event that these two were made of, its instance rebuilt from the snapshot."""
    facts = msgspec.json.decode(body, type=_Body)
    around = msgspec.json.decode(context, type=_Context)
    return Event(
        id=facts.id,
        time=facts.timestamp,
        resource=facts.object_type,
        action=facts.event_type,
        object_id=facts.object_id,
        snapshot=facts.object_serialization,
        changes=facts.changes,
        arguments=facts.arguments,
        payload=facts.payload,
        actor=around.actor,
        request=around.request,
        depth=around.depth,
        uri=around.uri,
        text=around.text,
        using=using,
        instance=rebuilt(facts.object_type, facts.object_serialization, using),
    )
