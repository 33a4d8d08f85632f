"""Events as JSON: the default body of a webhook, and the way back to an `Event` in a worker."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import models
from django.db.models.fields.files import FieldFile
from django.utils import timezone
from django.utils.functional import Promise

from heliostat.conf import conf
from heliostat.events.event import Actor, Event, RequestInfo
from heliostat.events.querysets import items_of
from heliostat.events.secrets import has_secret_key, without_secrets_of_event
from heliostat.events.snapshot import rebuilt
from heliostat.events.types import model_of
from heliostat.events.values import with_offset
from heliostat.exceptions import SnapshotError
from heliostat.redaction import redacted

BIGGEST_NUMBER = 2**53 - 1  # beyond it, receivers that read numbers as doubles (JavaScript) would take another object
MOST_KEYS = 1000  # of a queryset
HOOK_POINT = "hook_point"
PLAIN = frozenset({str, int, float, bool, type(None), bytes, UUID, decimal.Decimal, datetime.date, datetime.timedelta})


def to_json(value: Any, what: str, *, has_offsets: bool = False) -> str:
    """Return JSON text. NaN and infinity become null, times get an offset (`has_offsets`: all of them have one).

    Raises `SnapshotError` that names `what` and the offending type.
    """
    try:
        return _encoder.encode(value if has_offsets else with_offsets(value)).decode()
    except SnapshotError:
        raise
    except Exception as error:  # a mapping or a queryset of others may raise whatever it likes
        raise SnapshotError(f"{what} cannot be written as JSON: {error or type(error).__name__}") from error


def with_offsets(value: Any) -> Any:
    """Return a value where each time of a day has an offset: a naive one is in the site's time zone.

    What JSON is made of is gone through by itself, for that is nearly every value; anything else by `redacted()`.
    """
    kind = type(value)
    if kind in PLAIN:
        return value
    if kind is dict:
        return {name: item if type(item) in PLAIN else with_offsets(item) for name, item in value.items()}
    if kind is list or kind is tuple:
        return [item if type(item) in PLAIN else with_offsets(item) for item in value]
    return redacted(value, whole=True, leaf=lambda one: with_offset(one) if isinstance(one, datetime.datetime) else one)


def bounded(body: str, what: str) -> str:
    """The same body. Raises `SnapshotError` that names `what` where it is larger than anybody could be sent."""
    limit = conf.body_limit
    if len(body) * 4 <= limit or (size := len(body.encode())) <= limit:  # a character has four bytes at most
        return body
    raise SnapshotError(
        f"{what} has a body of {size:,} bytes; HELIOSTAT_BODY_LIMIT allows {limit:,}. "
        "Send less (a template, a serializer, or a payload of your own, with an address to fetch the rest from)."
    )


def _moment(value: datetime.datetime) -> str:
    return _isoformat(value).removesuffix("+00:00") + "Z" * (value.utcoffset() == datetime.timedelta())


def _duration(value: datetime.timedelta) -> datetime.timedelta:
    return datetime.timedelta(value.days, value.seconds, value.microseconds)


_isoformat = datetime.datetime.isoformat  # of the true type, which tests that stop the clock put another in place of
DERIVED: Mapping[type, Callable[[Any], Any]] = {
    int: int,
    float: float,
    decimal.Decimal: decimal.Decimal,
    bytes: bytes,
    datetime.datetime: _moment,
    datetime.date: datetime.date.isoformat,
    datetime.time: datetime.time.isoformat,
    datetime.timedelta: _duration,
}
"""How a value of a type that is derived from one of these is written: as numpy's, pandas' and freezegun's are."""


def _other(value: Any) -> Any:
    for base, plain in DERIVED.items():
        if isinstance(value, base):
            return plain(value)
    if isinstance(value, (str, Promise)):  # a text of a type of its own, or not yet translated
        return str.__str__(str(value))
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, models.Model):
        return None if has_secret_key(value._meta.model) else value.pk
    if isinstance(value, models.QuerySet):
        return _keys_of(value)
    if isinstance(value, FieldFile):
        return value.name or None
    raise TypeError(f"it holds a {type(value).__name__}; give numbers, texts, lists and dicts of them")


def _keys_of(queryset: models.QuerySet[Any]) -> list[Any]:
    """The keys of a queryset's objects, or its rows. Raises `SnapshotError` for more than anybody wants to be sent."""
    found = items_of(queryset, MOST_KEYS + 1)
    if len(found) > MOST_KEYS:
        raise SnapshotError(
            f"A queryset of more than {MOST_KEYS} objects is no payload; give what is to be sent of it."
        )
    return with_offsets(found)  # type: ignore[no-any-return]


_encoder = msgspec.json.Encoder(enc_hook=_other)


def body_of(event: Event) -> str:
    """Return the default body, with the keys that receivers are taught.

    Raises `SnapshotError` where it cannot be written as JSON, or is too large to be sent.
    """
    body = _head(event)
    body["object_serialization"] = event.snapshot
    body["changes"] = dict(event.changes)
    has_offsets = not event.arguments and event.payload is None  # values of a row always have
    if event.arguments:
        body["arguments"] = without_secrets_of_event(event.resource, "arguments", event.arguments)
    if event.payload is not None:
        body["payload"] = without_secrets_of_event(event.resource, "payload", event.payload)
    return bounded(to_json(body, event.type, has_offsets=has_offsets), event.type)


def stub_of(event: Event, problem: str) -> str:
    """Return a small body in place of one that cannot be rendered, which says why; it is never sent."""
    return to_json(_head(event) | {"object_serialization": {}, "changes": {}, "error": problem}, event.type)


def _head(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "type": event.type,
        "timestamp": with_offset(event.time),
        "object_type": event.resource,
        "object_id": key_in_body(event),
        "event_type": event.action,
    }


def key_in_body(event: Event) -> str | int | None:
    """Return the key of the event's object as it is sent: a whole number as a number, every other key as text."""
    key = event.object_id
    if key is None or not _has_number_as_key(event.resource):
        return key
    try:
        number = int(key)
    except ValueError:
        return key
    return number if abs(number) <= BIGGEST_NUMBER and str(number) == key else key


@cache
def _has_number_as_key(resource: str) -> bool:
    model = model_of(resource)
    field: Any = model._meta.pk if model is not None else None
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return isinstance(field, models.IntegerField)


def context_of(event: Event) -> str:
    """Return what only Heliostat itself needs to know later; never sent to anybody."""
    facts: dict[str, Any] = {"actor": event.actor, "request": event.request, "depth": event.depth}
    facts |= {"uri": event.uri, "text": event.text}
    try:
        if event.resource == HOOK_POINT and redacted(event.arguments) != event.arguments:
            facts["arguments"] = event.arguments  # a function wants all its arguments, secret ones too
        return to_json(facts, event.type, has_offsets="arguments" not in facts)
    except Exception:  # the default body says why
        return to_json({"depth": event.depth}, event.type)


class _Context(msgspec.Struct):
    actor: Actor | None = None
    request: RequestInfo | None = None
    depth: int = 0
    uri: str | None = None
    text: str | None = None
    arguments: dict[str, Any] | None = None


class _Body(msgspec.Struct):
    id: UUID
    timestamp: datetime.datetime
    object_type: str
    object_id: str | int | None
    event_type: str
    object_serialization: dict[str, Any]
    changes: dict[str, tuple[Any, Any]]
    arguments: dict[str, Any] = {}
    payload: Any = None


def event_from(body: str, context: str, using: str) -> Event:
    """Return the event that these two were made of, its instance rebuilt from the snapshot."""
    facts = msgspec.json.decode(body, type=_Body)
    around = msgspec.json.decode(context, type=_Context)
    time = facts.timestamp if settings.USE_TZ else timezone.make_naive(facts.timestamp, timezone.get_default_timezone())
    return Event(
        id=facts.id,
        time=time,
        resource=facts.object_type,
        action=facts.event_type,
        object_id=None if facts.object_id is None else str(facts.object_id),
        snapshot=facts.object_serialization,
        changes=facts.changes,
        arguments=facts.arguments if around.arguments is None else around.arguments,
        payload=facts.payload,
        actor=around.actor,
        request=around.request,
        depth=around.depth,
        uri=around.uri,
        text=around.text,
        using=using,
        instance=rebuilt(facts.object_type, facts.object_serialization, using),
    )


def is_stub(body: str) -> bool:
    """Return whether a body is a small one in place of one that could not be rendered (`stub_of`)."""
    return bool(msgspec.json.decode(body, type=_Stub).error)


class _Stub(msgspec.Struct):
    error: str = ""
