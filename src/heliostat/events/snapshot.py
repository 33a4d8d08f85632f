"""Snapshots: an object's fields as plain values, as far as subscribers may see them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, NamedTuple

from django.db import models

from heliostat.events.databases import database_of
from heliostat.events.keys import key_of
from heliostat.events.resources import model_of
from heliostat.events.rows import Row, difference, rows_of, whole
from heliostat.events.secrets import (
    generic_relations,
    generic_secrets,
    has_secret_key,
    points_to_secret,
    without_inner_secrets,
)
from heliostat.events.values import ABSENT, restored

__all__ = ["difference", "has_expressions", "rebuilt", "snapshot", "stored", "visible", "visible_fields"]

Converter = Callable[[Any], Any]


class View(NamedTuple):
    """What subscribers may see of the objects of a model."""

    names: tuple[str, ...]
    json_names: frozenset[str]
    generic: bool
    hides_key: bool


@cache
def view_of(model: type[models.Model]) -> View:
    """What subscribers of this model may see: no secrets, and nothing that points to one."""
    fields = [field for field in model._meta.concrete_fields if not points_to_secret(field, model)]
    is_json = (field.name for field in fields if isinstance(field, models.JSONField))
    names = tuple(field.name for field in fields)
    return View(names, frozenset(is_json), bool(generic_relations(model)), has_secret_key(model))


def visible(row: Mapping[str, Any], model: type[models.Model], using: str) -> Row:
    """The part of a row that subscribers of this model may see: without secrets, and without a child's columns."""
    view = view_of(model)
    seen = {name: row[name] for name in view.names if name in row}
    for name in view.json_names.intersection(seen):
        seen[name] = without_inner_secrets(model, name, seen[name])
    if view.generic:
        by_attribute = {field.attname: row.get(field.name) for field in model._meta.concrete_fields}
        for name in generic_secrets(model, by_attribute, using):
            seen.pop(name, None)
    return seen


def public_key(instance: models.Model, model: type[models.Model]) -> str | None:
    """The key of an object, or of its part in a parent model, as events name it; None where the key is a secret."""
    return None if view_of(model).hides_key else key_of(instance, model)


def snapshot(instance: models.Model, using: str | None = None) -> Row:
    """The fields of an object in memory, which is of this database, as plain values, by field name.

    Fields that are not loaded are left out; so are fields that hold secrets, and expressions such as
    `F("count") + 1`, whose value only the database knows.
    """
    model, values = type(instance), instance.__dict__
    found = (
        (name, conversion.stored(values[attname]))
        for name, attname, conversion in whole(model)
        if attname in values and not hasattr(values[attname], "resolve_expression")
    )
    row = {name: value for name, value in found if value is not ABSENT}
    return visible(row, model, using or database_of(instance))


def has_expressions(instance: models.Model) -> bool:
    """Whether a field holds an expression such as `F("count") + 1`, whose value only the database knows."""
    return any(hasattr(value, "resolve_expression") for value in instance.__dict__.values())


def stored(model: type[models.Model], pk: Any, using: str) -> Row | None:
    """The snapshot of the row as the database has it now, or None where there is none."""
    concrete = model._meta.concrete_model or model
    rows = () if pk is None else rows_of(concrete, [pk], using)
    return next((visible(row, model, using) for _, row in rows), None)


def rebuilt(resource: str, fields: Mapping[str, Any], using: str) -> models.Model | None:
    """The object as it was when this snapshot was taken, or None where the resource is no model (any more).

    Fields that are not in a snapshot are fetched when somebody looks at them.
    """
    model = model_of(resource)
    if model is None or not fields:
        return None
    known = [field for field in model._meta.concrete_fields if field.name in fields]
    values = [restored(field, fields[field.name]) for field in known]
    return model.from_db(using, [field.attname for field in known], values)


@cache
def visible_fields(model: type[models.Model]) -> tuple[tuple[str, str, Converter], ...]:
    """Name, attribute and converter of each field that subscribers may see."""
    view = view_of(model)
    return tuple(
        (name, attname, partial(_redacted, model, name, plain) if name in view.json_names else plain)
        for name, attname, (plain, _, _) in whole(model)
        if name in view.names
    )


def _redacted(model: type[models.Model], name: str, plain: Converter, value: Any) -> Any:
    return without_inner_secrets(model, name, plain(value))


def forget_fields(**_: object) -> None:
    """Tests change settings; then other fields may be visible."""
    view_of.cache_clear()
    visible_fields.cache_clear()
