"""What serializers and models say of an object, without secrets: of the object itself, and of what is nested in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models

from heliostat.events.secrets import (
    exposed_names,
    generic_secrets,
    has_secret_key,
    points_to_secret,
    without_inner_secrets,
)
from heliostat.redaction import is_secret_name, redacted


def without_secrets(payload: Any, instance: models.Model, using: str) -> Any:
    """Return a payload about an object without its secret fields, and without secret names anywhere inside it.

    `model_to_dict(user)` holds a password's hash, and a serializer with a `depth` writes related objects out, with
    whatever fields they have. HELIOSTAT_EXPOSE keeps names of the model that an object is of.
    """
    if not isinstance(payload, Mapping):
        return redacted(payload)
    hidden = generic_secrets(type(instance), instance.__dict__, using)
    return {name: value for name, value in _of_object(payload, type(instance)).items() if name not in hidden}


def _of_object(payload: Mapping[Any, Any], model: type[models.Model]) -> dict[Any, Any]:
    fields = _fields(model)
    exposed = exposed_names(model)
    found: dict[Any, Any] = {}
    for name, value in payload.items():
        field = fields.get(name)
        if name not in exposed and (is_secret_name(name) or (name == "pk" and has_secret_key(model))):
            continue
        if field is not None and field.is_relation:
            if is_nested(value):
                found[name] = _of_related(value, field.related_model)
            elif not points_to_secret(field, model):
                found[name] = redacted(value)
        elif field is None or not points_to_secret(field, model):
            found[name] = without_inner_secrets(model, str(name), value)
    return found


def is_nested(value: Any) -> bool:
    """Return whether related objects are written out, rather than named by their keys."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(item, Mapping) for item in value)
    return isinstance(value, Mapping)


def _of_related(value: Any, model: Any) -> Any:
    if not isinstance(model, type):  # a generic relation
        return redacted(value)
    return _of_object(value, model) if isinstance(value, Mapping) else [_of_object(item, model) for item in value]


def _fields(model: type[models.Model]) -> dict[str, Any]:
    meta = model._meta
    found: dict[str, Any] = {field.name: field for field in (*meta.concrete_fields, *meta.many_to_many)}
    return {field.attname: field for field in meta.concrete_fields} | found
