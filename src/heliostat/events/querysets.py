"""What a queryset in a payload or argument stands for: the keys of its objects, or its rows without their secrets.

A queryset of `values()` or `values_list()` gives rows. A column is a secret by its own name, and by the fields that it
is read or computed from: over relations, through annotations and subqueries, and in each query of a union. Raw SQL may
read anything: its words say whether it reads a secret, and who may not view all models is sent nothing of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import FieldError
from django.db import models
from django.db.models.expressions import Col, RawSQL
from django.db.models.query import ModelIterable
from django.db.models.sql import Query

from heliostat.events.secrets import (
    exposed_names,
    generic_relations,
    has_secret_key,
    points_to_secret,
    without_inner_secrets,
)
from heliostat.redaction import is_secret_name

IDENTIFIER = re.compile(r"\w+")


class Column(NamedTuple):
    """What a column is read or computed from: models on the way, fields, and names inside JSON or raw SQL."""

    models: set[type[models.Model]]
    fields: list[Any]
    names: list[str]


def items_of(queryset: models.QuerySet[Any], most: int) -> list[Any]:
    """Return the objects or rows of a queryset, at most `most`: of objects whose key is a secret None in their place.

    A secret column is left out of a row with names, and None in a row without.
    """
    found = list(queryset[:most] if queryset._result_cache is None else queryset)
    if _gives_objects(queryset):
        return [None if has_secret_key(one._meta.model) else one for one in found]
    names = _names(queryset.query)
    hidden = frozenset(
        name
        for query in _queries(queryset)
        for name, own in zip(names, _names(query), strict=False)
        if _is_secret_column(query, own)
    )
    return [_without(row, names, hidden, queryset.model) for row in found]


def models_read(queryset: models.QuerySet[Any]) -> set[type[models.Model]]:
    """Return the models whose data a queryset holds: its own, and those that its rows reach over relations."""
    found: set[type[models.Model]] = set()
    for query in _queries(queryset):
        found.add(query.model)
        for name in () if _gives_objects(queryset) else _names(query):
            found |= _column(query, name).models
    return found


def _gives_objects(queryset: models.QuerySet[Any]) -> bool:
    return issubclass(queryset._iterable_class, ModelIterable)


def _queries(queryset: models.QuerySet[Any]) -> tuple[Any, ...]:
    """Return the queries of a union, an intersection or a difference; otherwise the one that there is."""
    query: Any = queryset.query
    return query.combined_queries or (query,)


def _names(query: Any) -> tuple[str, ...]:
    """Return the names of the columns of rows, in order."""
    return tuple(query.selected or (*query.extra_select, *query.values_select, *query.annotation_select))


def _without(row: Any, names: tuple[str, ...], hidden: frozenset[str], model: type[models.Model]) -> Any:
    if isinstance(row, Mapping):
        return {name: without_inner_secrets(model, name, row[name]) for name in row if name not in hidden}
    if isinstance(row, (list, tuple)):
        pairs = zip(names, row, strict=False)
        return [None if name in hidden else without_inner_secrets(model, name, value) for name, value in pairs]
    return None if hidden else without_inner_secrets(model, names[0] if names else "", row)


def _is_secret_column(query: Any, name: str) -> bool:
    if name in exposed_names(query.model):
        return False
    column = _column(query, name)
    if is_secret_name(name.rpartition("__")[2]) or any(map(is_secret_name, column.names)):
        return not any(field.name in exposed_names(field.model) for field in column.fields)
    if any(map(points_to_secret, column.fields)):
        return True
    return any(field.name == key for field in column.fields for _, key in generic_relations(field.model))


def _column(query: Any, name: str) -> Column:
    column = Column(set(), [], [])
    if name in query.annotations:
        _add(query.annotations[name], column)
    elif name in query.extra:
        _add_raw(query.extra[name][0], column)
    else:
        try:
            steps, final, targets, inner = query.names_to_path(name.split("__"), query.get_meta())
        except FieldError:  # a name that only the database knows
            return column
        column.models.update(step.to_opts.model for step in steps)
        column.fields.extend(field for field in (final, *targets) if isinstance(field, models.Field))
        column.names.extend(inner)
    return column


def _add(expression: Any, column: Column) -> None:
    """Add to a column what an expression reads. A number of rows, or whether there are some, says no value of them."""
    if isinstance(expression, Col):
        column.models.add(expression.target.model)
        column.fields.append(expression.target)
    elif isinstance(expression, RawSQL):
        _add_raw(expression.sql, column)
    elif isinstance(query := getattr(expression, "query", expression), Query):
        for one in query.combined_queries or (query,):
            column.models.add(one.model)
            if not isinstance(expression, models.Exists):
                _add_all((*one.select, *one.annotation_select.values()), column)
    elif not isinstance(expression, models.Count):
        _add_all(getattr(expression, "get_source_expressions", list)(), column)


def _add_all(expressions: Iterable[Any], column: Column) -> None:
    for expression in expressions:
        if expression is not None:
            _add(expression, column)


def _add_raw(sql: str, column: Column) -> None:
    column.models.update(apps.get_models())
    column.names.extend(IDENTIFIER.findall(sql))
