"""What a queryset in a payload or argument stands for: the keys of its objects, or its rows without their secrets.

A queryset of `values()` or `values_list()` gives rows. A column is a secret by its own name, and by the fields that it
is read or computed from: over relations, and through annotations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from django.core.exceptions import FieldError
from django.db import models
from django.db.models.expressions import Col
from django.db.models.query import ModelIterable

from heliostat.events.secrets import (
    exposed_names,
    generic_relations,
    has_secret_key,
    points_to_secret,
    without_inner_secrets,
)
from heliostat.redaction import is_secret_name


def items_of(queryset: models.QuerySet[Any], most: int) -> list[Any]:
    """Return the objects or rows of a queryset, at most `most`: of objects whose key is a secret None in their place.

    A secret column is left out of a row with names, and None in a row without.
    """
    found = list(queryset[:most] if queryset._result_cache is None else queryset)
    if _gives_objects(queryset):
        return [None if has_secret_key(one._meta.model) else one for one in found]
    names = _columns(queryset)
    hidden = frozenset(name for name in names if _is_secret_column(queryset, name))
    return [_without(row, names, hidden, queryset.model) for row in found]


def models_read(queryset: models.QuerySet[Any]) -> set[type[models.Model]]:
    """Return the models whose data a queryset holds: its own, and those that its rows reach over relations."""
    found: set[type[models.Model]] = {queryset.model}
    if not _gives_objects(queryset):
        for name in _columns(queryset):
            found |= _resolved(queryset, name)[0]
    return found


def _gives_objects(queryset: models.QuerySet[Any]) -> bool:
    return issubclass(queryset._iterable_class, ModelIterable)


def _columns(queryset: models.QuerySet[Any]) -> tuple[str, ...]:
    query: Any = queryset.query
    return tuple(
        getattr(queryset, "_fields", None) or (*query.extra_select, *query.values_select, *query.annotation_select)
    )


def _without(row: Any, names: tuple[str, ...], hidden: frozenset[str], model: type[models.Model]) -> Any:
    if isinstance(row, Mapping):
        return {name: without_inner_secrets(model, name, row[name]) for name in row if name not in hidden}
    if isinstance(row, (list, tuple)):
        pairs = zip(names, row, strict=False)
        return [None if name in hidden else without_inner_secrets(model, name, value) for name, value in pairs]
    return None if hidden else without_inner_secrets(model, names[0] if names else "", row)


def _is_secret_column(queryset: models.QuerySet[Any], name: str) -> bool:
    if name in exposed_names(queryset.model):
        return False
    _, fields, inner = _resolved(queryset, name)
    if is_secret_name(name.rpartition("__")[2]) or any(map(is_secret_name, inner)):
        return not any(field.name in exposed_names(field.model) for field in fields)
    if any(map(points_to_secret, fields)):
        return True
    return any(field.name == key for field in fields for _, key in generic_relations(field.model))


def _resolved(queryset: models.QuerySet[Any], name: str) -> tuple[set[type[models.Model]], list[Any], list[str]]:
    """Return the models on the way to a column, the fields that it is made of, and the names inside of these."""
    query: Any = queryset.query
    if name in query.annotations:
        fields = list(_fields_in(query.annotations[name]))
        return {field.model for field in fields}, fields, []
    try:
        steps, final, targets, inner = query.names_to_path(name.split("__"), query.get_meta())
    except FieldError:  # a column of `extra()`
        return set(), [], []
    passed = {step.to_opts.model for step in steps}
    return passed, [field for field in (final, *targets) if isinstance(field, models.Field)], list(inner)


def _fields_in(expression: Any) -> Iterator[Any]:
    if isinstance(expression, models.Count):  # a number of them
        return
    if isinstance(expression, Col):
        yield expression.target
    inner: Iterable[Any] = getattr(expression, "get_source_expressions", list)()
    for one in inner:
        if one is not None:
            yield from _fields_in(one)
