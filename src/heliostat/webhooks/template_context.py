"""What a name in a payload template stands for: `instance.depot.name`, `event_type`, a signal's own arguments.

Users write templates, so nothing is called here: only fields, relations to one object, and plain attributes are looked
up, no methods, properties, managers, private names and fields that hold secrets. Each object on a path needs the
permission of the viewer, the owner of the hook: an object that they may not view is nothing.
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

from heliostat.events.databases import database_of
from heliostat.events.event import Event
from heliostat.events.secrets import (
    generic_secrets,
    is_secret,
    points_to_secret,
    without_inner_secrets,
    without_secrets_of_event,
)
from heliostat.events.snapshot import visible_fields
from heliostat.events.types import model_of
from heliostat.outbox.bodies import key_in_body
from heliostat.outbox.rendering import object_of
from heliostat.suggestions import did_you_mean
from heliostat.webhooks.permissions import Viewer

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
    "object_id": key_in_body,
    "changes": lambda event: dict(event.changes),
    # what Django's post_save carries
    "created": lambda event: event.action == "created",
    "using": lambda event: event.using,
    "raw": lambda _: False,
    "update_fields": lambda event: list(event.changes) or None,
}

OF_OBJECT = ("object_id", "changes", "update_fields")  # what only those may be sent who may view the object


def value_at(event: Event, path: Sequence[str], viewer: Viewer | None = None) -> Any:
    """Return the value of a name for an event; None where there is none, or where it may not be sent to the viewer."""
    viewer = viewer or Viewer(event)
    root, *names = path
    if root == "instance":
        return viewer.shown(_of_object(event, names or ["pk"], viewer))
    if root in event.arguments:
        arguments = without_secrets_of_event(event.resource, "arguments", event.arguments)
        return viewer.shown(_walk(arguments.get(root), names, viewer))
    if root not in EVENT_NAMES or (root in OF_OBJECT and not _may_view_object(event, viewer)):
        return None
    return _walk(EVENT_NAMES[root](event), names, viewer)


def _may_view_object(event: Event, viewer: Viewer) -> bool:
    """Of an event for a parent model the instance is a child's; what it says is of the parent alone."""
    instance = event.instance if isinstance(event.instance, models.Model) else None
    model = model_of(event.resource) or (instance._meta.model if instance is not None else None)
    return model is None or viewer.may(model, instance)


def _of_object(event: Event, names: list[str], viewer: Viewer) -> Any:
    """Return a value of the object. Its own fields are those of the snapshot, as they were at the time of the event."""
    if not _may_view_object(event, viewer):
        return None
    if not isinstance(event.instance, models.Model):
        return _walk(event.snapshot, names, viewer)
    field = _fields(type(event.instance)).get(names[0])
    is_followed = len(names) > 1 and field is not None and field.is_relation
    if field is not None and field.name in event.snapshot and not is_followed:
        return _walk(event.snapshot[field.name], names[1:], viewer)
    return _walk(object_of(event), names, viewer)


def _walk(value: Any, names: Sequence[str], viewer: Viewer) -> Any:
    for position, name in enumerate(names, start=1):
        if name.startswith("_"):
            return None
        if isinstance(value, models.Model):
            may = viewer.may(value._meta.model, value)
            value = _attribute(value, name, position == len(names), viewer) if may else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _attribute(instance: models.Model, name: str, is_last: bool, viewer: Viewer) -> Any:
    model = instance._meta.model
    field: Any = _fields(model).get(name)
    if is_secret(model, name) or (field is not None and (is_secret(model, field.name) or _is_many(field))):
        return None
    if field is None:
        value = inspect.getattr_static(instance, name, None)
        return without_inner_secrets(model, name, value) if isinstance(value, PLAIN) else None
    if is_last and hasattr(field, "fk_field"):  # of a generic relation, the key is a value of this object
        field = model._meta.get_field(field.fk_field)
    if field.concrete and (is_last or not field.is_relation):
        hidden = generic_secrets(model, instance.__dict__, database_of(instance))
        if points_to_secret(field, model) or field.name in hidden:
            return None
        convert = next(convert for name, _, convert in visible_fields(model) if name == field.name)
        return convert(getattr(instance, field.attname))
    viewer.follow(instance, field)
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


def _is_many(field: Any) -> bool:
    return bool(field.one_to_many or field.many_to_many)


def why_refused(path: Sequence[str], model: type[models.Model] | None, has_arguments: bool) -> str | None:
    """Return what is wrong with a name, as far as that is known when a hook is saved; None where nothing is.

    `has_arguments` says whether the hook is notified of events that may carry arguments of their own.
    """
    root, *names = path
    if len(names) > DEEPEST:
        return f"goes deeper than {DEEPEST} attributes"
    if private := next((name for name in path if name.startswith("_")), None):
        return f"holds “{private}”, which is private"
    if root == "instance":
        steps = _steps(model, names) if model is not None else ()
        return next(filter(None, (_why_closed(*step) for step in steps)), None)
    if root not in EVENT_NAMES and not has_arguments:
        return f"is not known.{did_you_mean(root, ['instance', *EVENT_NAMES])}"
    return None


def _steps(model: type[models.Model], names: Sequence[str]) -> Iterator[tuple[type[models.Model], str, Any, bool]]:
    """Yield each model on a way of names with the name, its field or None, and whether it is the last name.

    The way ends at what is no relation; a generic relation may lead to anything, and ends it, too.
    """
    current: type[models.Model] | None = model
    for position, name in enumerate(names, start=1):
        if current is None:
            return
        field = _fields(current).get(name)
        yield current, name, field, position == len(names)
        current = field.related_model if field is not None and field.is_relation else None


def models_on(path: Sequence[str], model: type[models.Model]) -> Iterator[type[models.Model] | None]:
    """Yield the models of the objects that a name goes through, from one of this model; None where it could be any."""
    for _, _, field, is_last in _steps(model, path[1:] if path[0] == "instance" else ()):
        if is_last or field is None or not field.is_relation:
            return
        yield field.related_model


def _why_closed(model: type[models.Model], name: str, field: Any, is_last: bool) -> str | None:
    if is_secret(model, field.name if field is not None else name):
        return f"holds “{name}”, which is a secret"
    if field is not None:
        if is_last and field.concrete and points_to_secret(field, model):
            return f"holds “{name}”, whose value is the key of an object, and that is a secret"
        if not is_last and not field.is_relation and not isinstance(field, models.JSONField):
            return f"goes into “{name}”, which is a plain value"
        return f"holds “{name}”, which is many objects" if _is_many(field) else None
    attribute = inspect.getattr_static(model, name, None)
    if attribute is None:
        return f"is not known: {model.__name__} has no “{name}”.{did_you_mean(name, _fields(model))}"
    reason = f"holds “{name}”, which is no field; methods and properties are not called"
    return None if isinstance(attribute, PLAIN) else reason
