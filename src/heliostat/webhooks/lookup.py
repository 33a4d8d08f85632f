"""What a name in a payload template stands for: `instance.depot.name`, `event_type`, a signal's own arguments.

Templates are written by whoever may make hooks, so nothing is called here: fields, relations to one object, and plain
attributes are looked up; methods, properties, managers, private names and fields that hold secrets are not.
"""

from __future__ import annotations

import datetime
import decimal
import inspect
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import models

from heliostat.conf import did_you_mean
from heliostat.events.event import Event
from heliostat.events.secrets import is_secret
from heliostat.events.snapshot import told_fields

DEEPEST = 5
PLAIN = (
    str, bytes, int, float, decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID, list, tuple,
    Mapping,
)  # fmt: skip

EVENT_NAMES: dict[str, Callable[[Event], Any]] = {
    "event_type": lambda event: event.action,
    "type": lambda event: event.type,
    "id": lambda event: event.id,
    "timestamp": lambda event: event.time,
    "object_type": lambda event: event.resource,
    "object_id": lambda event: event.object_id,
    "changes": lambda event: dict(event.changes),
    # what Django's post_save carries
    "created": lambda event: event.action == "created",
    "using": lambda event: event.using,
    "raw": lambda _: False,
    "update_fields": lambda event: list(event.changes) or None,
}


def value_at(event: Event, path: Sequence[str]) -> Any:
    """The value of a name for an event; None where there is none, or where it is nobody's business."""
    root, *names = path
    if root == "instance":
        return _of_object(event, names or ["pk"])
    return _walk(_of_event(event, root), names)


def _of_event(event: Event, name: str) -> Any:
    if name in event.arguments:
        return event.arguments[name]
    return EVENT_NAMES[name](event) if name in EVENT_NAMES else None


def _of_object(event: Event, names: list[str]) -> Any:
    """The object's own fields are taken from the snapshot: as it was then, whatever happened to it since."""
    if not isinstance(event.instance, models.Model):
        return _walk(event.snapshot, names)
    field = _fields(type(event.instance)).get(names[0])
    is_followed = len(names) > 1 and field is not None and field.is_relation
    if field is not None and field.name in event.snapshot and not is_followed:
        return _walk(event.snapshot[field.name], names[1:])
    return _walk(event.instance, names)


def _walk(value: Any, names: Sequence[str]) -> Any:
    for position, name in enumerate(names, start=1):
        if name.startswith("_"):
            return None
        if isinstance(value, models.Model):
            value = _attribute(value, name, is_last=position == len(names))
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _attribute(instance: models.Model, name: str, is_last: bool) -> Any:
    model = type(instance)
    if is_secret(model, name):
        return None
    field = _fields(model).get(name)
    if field is None:
        value = inspect.getattr_static(instance, name, None)
        return value if isinstance(value, PLAIN) else None
    if is_secret(model, field.name) or _is_many(field):
        return None
    if field.concrete and (is_last or not field.is_relation):
        return _converters(model)[field.name](getattr(instance, field.attname))
    try:
        return getattr(instance, name if not field.concrete else field.name)
    except ObjectDoesNotExist:
        return None


@cache
def _fields(model: type[models.Model]) -> dict[str, Any]:
    """Fields and relations of a model, by every name under which an object has them."""
    found: dict[str, Any] = {"pk": model._meta.pk}
    for field in model._meta.get_fields():
        name = field.get_accessor_name() if isinstance(field, models.ForeignObjectRel) else field.name
        found |= {each: field for each in (name, getattr(field, "attname", None)) if each}
    return found


def _converters(model: type[models.Model]) -> dict[str, Callable[[Any], Any]]:
    return {name: convert for name, _, convert in told_fields(model)}


def _is_many(field: Any) -> bool:
    return bool(field.one_to_many or field.many_to_many)


def why_refused(path: Sequence[str], model: type[models.Model] | None, has_arguments: bool) -> str | None:
    """What is wrong with a name, as far as that can be known when a hook is saved; None where nothing is.

    `has_arguments` says whether the hook is told of events that may carry arguments of their own.
    """
    root, *names = path
    if len(names) > DEEPEST:
        return f"goes deeper than {DEEPEST} attributes"
    if private := next((name for name in path if name.startswith("_")), None):
        return f"holds “{private}”, which is private"
    if root == "instance":
        return _why_refused_of(model, names) if model is not None else None
    if root not in EVENT_NAMES and not has_arguments:
        return f"is not known.{did_you_mean(root, ['instance', *EVENT_NAMES])}"
    return None


def _why_refused_of(model: type[models.Model] | None, names: Sequence[str]) -> str | None:
    for position, name in enumerate(names, start=1):
        if model is None:  # a generic relation may lead to anything
            return None
        if reason := _why_closed(model, name):
            return reason
        field = _fields(model).get(name)
        if field is None or isinstance(field, models.JSONField):
            return None
        if not field.is_relation and position < len(names):
            return f"goes into “{name}”, which is a plain value"
        model = field.related_model
    return None


def models_on(path: Sequence[str], model: type[models.Model]) -> Iterator[type[models.Model] | None]:
    """The models of the objects that a name goes through, from an object of this model; None where it could be any."""
    current: type[models.Model] | None = model
    for name in path[1:-1] if path[0] == "instance" else ():
        field = _fields(current).get(name) if current is not None else None
        if field is None or not field.is_relation:
            return
        current = field.related_model
        yield current


def _why_closed(model: type[models.Model], name: str) -> str | None:
    field = _fields(model).get(name)
    if is_secret(model, field.name if field is not None else name):
        return f"holds “{name}”, which is a secret"
    if field is not None:
        return f"holds “{name}”, which is many objects" if _is_many(field) else None
    attribute = inspect.getattr_static(model, name, None)
    if attribute is None:
        return f"is not known: {model.__name__} has no “{name}”.{did_you_mean(name, _fields(model))}"
    if isinstance(attribute, PLAIN):
        return None
    return f"holds “{name}”, which is no field; methods and properties are not called"
