"""Snapshots: an object's fields as plain values, and what differs between two of them."""

from __future__ import annotations

import datetime
import decimal
import uuid
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models
from django.utils.dateparse import parse_duration

from heliostat.events.resources import model_of
from heliostat.events.secrets import generic_secrets, points_to_secret, without_inner_secrets

Converter = Callable[[Any], Any]

# A value that already has its field's type needs no conversion: that is nearly every value.
PLAIN: tuple[tuple[type[models.Field[Any, Any]], type], ...] = (
    (models.BooleanField, bool),
    (models.IntegerField, int),
    (models.FloatField, float),
    (models.CharField, str),
    (models.TextField, str),
    (models.DateTimeField, datetime.datetime),
    (models.DateField, datetime.date),
    (models.TimeField, datetime.time),
    (models.DurationField, datetime.timedelta),
    (models.DecimalField, decimal.Decimal),
    (models.UUIDField, uuid.UUID),
    (models.BinaryField, bytes),
)


def snapshot(instance: models.Model) -> dict[str, Any]:
    """The fields of an object as plain values, by field name.

    Deferred fields are left out, rather than fetched; so are fields that hold secrets, and expressions such as
    `F("count") + 1`, whose value only the database knows.
    """
    model, values = type(instance), instance.__dict__
    hidden = generic_secrets(model, values, instance._state.db or DEFAULT_DB_ALIAS)
    return {
        name: convert(values[attname])
        for name, attname, convert in told_fields(model)
        if attname in values and name not in hidden and not hasattr(values[attname], "resolve_expression")
    }


def has_expressions(instance: models.Model) -> bool:
    """Whether a field holds an expression such as `F("count") + 1`, whose value only the database knows."""
    return any(hasattr(value, "resolve_expression") for value in instance.__dict__.values())


def stored(model: type[models.Model], pk: Any, using: str) -> dict[str, Any] | None:
    """The snapshot of the row as the database has it now, or None where there is none."""
    fields = told_fields(model)
    names = [attname for _, attname, _ in fields]
    row = model._base_manager.using(using).filter(pk=pk).values_list(*names).first()
    if row is None:
        return None
    hidden = generic_secrets(model, dict(zip(names, row, strict=True)), using)
    return {name: convert(value) for (name, _, convert), value in zip(fields, row, strict=True) if name not in hidden}


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """`{field: (old, new)}` of the fields that both have and that differ."""
    return {name: (before[name], value) for name, value in after.items() if name in before and before[name] != value}


def rebuilt(resource: str, fields: Mapping[str, Any], using: str) -> models.Model | None:
    """The object as it was when this snapshot was taken, or None where the resource is no model (any more).

    Fields that are never told are fetched when somebody looks at them.
    """
    model = model_of(resource)
    if model is None or not fields:
        return None
    told = [field for field in model._meta.concrete_fields if field.name in fields]
    values = [_from_json(field, fields[field.name]) for field in told]
    return model.from_db(using, [field.attname for field in told], values)


def _from_json(field: models.Field[Any, Any], value: Any) -> Any:
    if isinstance(field, models.BinaryField) and isinstance(value, str):
        return b64decode(value)
    if isinstance(field, models.DurationField) and isinstance(value, str):
        return parse_duration(value)
    return field.to_python(value) if value is not None else None


@cache
def told_fields(model: type[models.Model]) -> tuple[tuple[str, str, Converter], ...]:
    """Name, attribute and converter of each field that may be told."""
    return tuple(
        (field.name, field.attname, _converter(field))
        for field in model._meta.concrete_fields
        if not points_to_secret(field, model)
    )


def _converter(field: models.Field[Any, Any]) -> Converter:
    target = field
    while isinstance(target, models.ForeignKey):
        target = target.target_field
    if isinstance(target, models.FileField):
        return _file_name
    if isinstance(target, models.JSONField):
        # A copy: the caller may go on changing the very same list.
        return partial(without_inner_secrets, field.model, field.name)
    expected = next((kind for cls, kind in PLAIN if isinstance(target, cls)), None)
    return _typed(target, expected) if expected else _as_stored(target)


def _typed(field: models.Field[Any, Any], expected: type) -> Converter:
    def convert(value: Any) -> Any:
        if value is None or type(value) is expected:
            return value
        return field.to_python(value)

    return convert


def _as_stored(field: models.Field[Any, Any]) -> Converter:
    """A field of somebody's own: as it would be written into a fixture."""
    holder = field.model

    def convert(value: Any) -> Any:
        if value is None or isinstance(value, (str, int, float)):
            return value
        shell = holder.__new__(holder)
        shell.__dict__[field.attname] = value
        return field.value_to_string(shell)

    return convert


def _file_name(value: Any) -> str | None:
    return getattr(value, "name", value) or None


def forget_fields(**_: object) -> None:
    """Tests change settings; then the fields that may be told can differ."""
    told_fields.cache_clear()
