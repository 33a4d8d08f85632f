"""Snapshots: rows of models as they are stored, read by key, as plain values; and the part that subscribers may see."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from copy import copy
from functools import cache
from typing import Any, NamedTuple

from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import connections, models
from django.db.models import QuerySet

from heliostat.events.databases import database_of
from heliostat.events.keys import key_of, python_key
from heliostat.events.secrets import (
    generic_relations,
    generic_secrets,
    has_secret_key,
    inner_redaction,
    points_to_secret,
)
from heliostat.events.transactions import ours
from heliostat.events.types import model_of
from heliostat.events.values import ABSENT, UNKNOWN, Conversion, conversion_of, restored

Row = dict[str, Any]
"""Plain values by the name of the field."""

Redact = Callable[[Any], Any]

CHUNK = 500
READERS = "heliostat_readers"  # on a connection, which belongs to one thread


class Table:
    """The columns of one model's own table: of a child of multi-table inheritance, those that the child adds."""

    def __init__(self, model: type[models.Model]) -> None:
        self.model = model
        fields = model._meta.local_concrete_fields
        self.fields: tuple[tuple[str, str, Conversion], ...] = tuple(
            (field.name, field.attname, conversion_of(field)) for field in fields
        )
        self.attnames = tuple(field.attname for field in fields)
        self.makes_keys = all(pk.has_default() or pk.has_db_default() for pk in model._meta.pk_fields)
        self.has_generated = any(field.generated for field in fields)

    def written(self, instance: models.Model, names: frozenset[str] | None) -> Row | None:
        """What a save of an object has written, from memory; of these fields only, where names are given.

        None where the row may hold something else than memory does.
        """
        values, row = instance.__dict__, {}
        for name, attname, conversion in self.fields:
            if names is None or name in names or attname in names:
                value = conversion.written(values.get(attname, UNKNOWN))
                if value is UNKNOWN:
                    return None
                row[name] = value
        return row

    def read(self, instance: models.Model, using: str, lock: bool = False) -> Row | None:
        """Return the row of an object; None where there is none. `lock` keeps others from changing it meanwhile."""
        key = getattr(instance, self.model._meta.pk.attname)
        connection = connections[using]
        readers = connection.__dict__.setdefault(READERS, {})
        read = readers.get((self, lock))
        if read is None:
            try:
                read = readers[self, lock] = _reader(self, connection, lock, key)
            except EmptyResultSet:  # no row can have this key
                return None
        with ours(using, is_reading=True):
            found = read(connection, key)
        return None if found is None else plain_row(self.fields, found)


@cache
def table_of(model: type[models.Model]) -> Table:
    """Return the table of a concrete model."""
    return Table(model)


def _reader(table: Table, connection: Any, lock: bool, key: Any) -> Callable[[Any, Any], Sequence[Any] | None]:
    """Return a SELECT by key, compiled once for each connection: to compile it takes ten times as long as to run it.

    `key` is the first one that is looked up, for the field of the key may accept no other example.
    """
    pk = table.model._meta.pk
    assert pk is not None
    rows: QuerySet[Any] = QuerySet(table.model, using=connection.alias)
    if lock:
        rows = _locked(rows, connection)
    query = rows.filter(pk=key).order_by().values_list(*table.attnames).query
    compiler = query.get_compiler(connection=connection)
    statement, parameters = compiler.as_sql()
    if table.model._meta.is_composite_pk or len(parameters) != 1:
        return lambda _, key: rows.filter(pk=key).order_by().values_list(*table.attnames).first()
    converters = compiler.get_converters([column[0] for column in compiler.select])

    def read(connection: Any, key: Any) -> Sequence[Any] | None:
        with connection.cursor() as cursor:
            cursor.execute(statement, [pk.get_db_prep_value(key, connection)])
            found = cursor.fetchone()
        if found is None or not converters:
            return found  # type: ignore[no-any-return]
        values = list(found)
        for position, (converts, expression) in converters.items():
            for convert in converts:
                values[position] = convert(values[position], expression, connection)
        return values

    return read


def rows_of(
    model: type[models.Model],
    keys: Sequence[Any],
    using: str,
    lock: bool = False,
    names: Container[str] | None = None,
) -> Iterator[tuple[Any, Row]]:
    """Keys and rows, parents' columns included, of those of these objects that there are: in this order, in chunks.

    Only the columns of these names are read where names are given.
    """
    fields = [one for one in whole(model) if names is None or one[0] in names]
    connection = connections[using]
    rows: QuerySet[Any] = QuerySet(model, using=using)
    if lock:
        rows = _locked(rows, connection)
    parts = len(model._meta.pk_fields)  # of a key: the number of parameters of a statement is limited
    limit = connection.features.max_query_params or CHUNK * parts
    for some in chunks(keys, min(CHUNK, max(1, limit // parts))):
        wanted = [python_key(model, key) for key in some]
        found = rows.filter(pk__in=wanted).order_by().values_list("pk", *(attname for _, attname, _ in fields))
        with ours(using, is_reading=True):
            by_key = {key: values for key, *values in found}
        yield from ((key, plain_row(fields, by_key[key])) for key in wanted if key in by_key)


def chunks(values: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    """Return the values, so many at a time."""
    return (values[start : start + size] for start in range(0, len(values), size))


def plain_row(fields: Sequence[tuple[str, str, Conversion]], values: Sequence[Any]) -> Row:
    """Return a row from the values of these fields."""
    converted = ((name, conversion.stored(value)) for (name, _, conversion), value in zip(fields, values, strict=True))
    return {name: value for name, value in converted if value is not ABSENT}


def _locked(rows: QuerySet[Any], connection: Any) -> QuerySet[Any]:
    """Locked as the change itself will lock them, where the database locks rows; a view cannot be locked."""
    if not (connection.features.has_select_for_update and rows.model._meta.managed):
        return rows
    return rows.select_for_update(no_key=connection.features.has_select_for_no_key_update)


@cache
def whole(model: type[models.Model]) -> tuple[tuple[str, str, Conversion], ...]:
    """Name, attribute and conversion of all columns of a model, its parents' included."""
    return tuple((field.name, field.attname, conversion_of(field)) for field in model._meta.concrete_fields)


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """`{field: (old, new)}` of the fields that both have and that differ; NaN is the same as NaN."""
    return {
        name: (before[name], value)
        for name, value in after.items()
        if name in before and before[name] != value and (value == value or before[name] == before[name])  # noqa: PLR0124  only NaN is not itself
    }


class View(NamedTuple):
    """What subscribers may see of the objects of a model."""

    names: tuple[str, ...]
    inner_secrets: Mapping[str, Redact]
    generic: bool
    hides_key: bool


@cache
def view_of(model: type[models.Model]) -> View:
    """What subscribers of this model may see: no secrets, and nothing that points to one."""
    fields = [field for field in model._meta.concrete_fields if not points_to_secret(field, model)]
    json_names = [field.name for field in fields if isinstance(field, models.JSONField)]
    return View(
        names=tuple(field.name for field in fields),
        inner_secrets={name: inner_redaction(model, name) for name in json_names},
        generic=bool(generic_relations(model)),
        hides_key=has_secret_key(model),
    )


def visible(row: Mapping[str, Any], model: type[models.Model], using: str) -> Row:
    """The part of a row that subscribers of this model may see: without secrets, and without a child's columns."""
    view = view_of(model)
    seen = {name: row[name] for name in view.names if name in row}
    for name, redact in view.inner_secrets.items():
        if name in seen:
            seen[name] = redact(seen[name])
    if view.generic:
        by_attribute = {field.attname: row.get(field.name) for field in model._meta.concrete_fields}
        for name in generic_secrets(model, by_attribute, using):
            seen.pop(name, None)
    return seen


def public_key(instance: models.Model, model: type[models.Model]) -> str | None:
    """The key of an object, or of its part in a parent model, as events name it; None where the key is a secret."""
    return None if view_of(model).hides_key else key_of(instance, model)


def snapshot(instance: models.Model, using: str | None = None) -> Row:
    """Return the fields of an object in memory, which is of this database, as plain values, by field name.

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


def stored(model: type[models.Model], pk: Any, using: str) -> Row | None:
    """Return the snapshot of the row as the database has it now, or None where there is none."""
    concrete = model._meta.concrete_model or model
    try:
        rows = [] if pk is None else [row for _, row in rows_of(concrete, [pk], using)]
    except (ValidationError, TypeError, ValueError, OverflowError):  # no row can have this key
        rows = []
    return visible(rows[0], model, using) if rows else None


def rebuilt(resource: str, fields: Mapping[str, Any], using: str) -> models.Model | None:
    """Return the object as it was when this snapshot was taken, or None where the resource is no model (any more).

    Fields that are not in a snapshot are fetched when somebody looks at them.
    """
    model = model_of(resource)
    if model is None or not fields:
        return None
    return in_memory(model, fields, using)


def in_memory(model: type[models.Model], row: Mapping[str, Any], using: str) -> models.Model:
    """Return an object with the values of a row."""
    fields = [field for field in model._meta.concrete_fields if field.name in row]
    return model.from_db(using, [one.attname for one in fields], [restored(one, row[one.name]) for one in fields])


def copied(instance: models.Model) -> models.Model:
    """Return a copy of an object. It keeps its key, which Django takes from one that is deleted, and what is fetched
    for the copy is its own. A model may forbid to copy it, or mean something else by it."""
    made = object.__new__(type(instance))
    made.__dict__.update(instance.__dict__, _state=copy(instance._state))
    made._state.fields_cache = dict(instance._state.fields_cache)
    return made


def as_written(instance: models.Model, row: Mapping[str, Any]) -> models.Model:
    """Return a copy of an object with these values, whatever else was set in it and not saved."""
    made = copied(instance)
    for field in type(instance)._meta.concrete_fields:
        if field.name in row and not _holds(made, field, row[field.name]):
            setattr(made, field.attname, restored(field, row[field.name]))
    return made


def _holds(instance: models.Model, field: models.Field[Any, Any], plain: Any) -> bool:
    """Return whether an object in memory has this value of a field."""
    value = instance.__dict__.get(field.attname, UNKNOWN)
    if value is UNKNOWN or hasattr(value, "resolve_expression"):  # not loaded, or F("seats") + 1
        return False
    return bool(conversion_of(field).stored(value) == plain)


@cache
def visible_fields(model: type[models.Model]) -> tuple[tuple[str, str, Callable[[Any], Any]], ...]:
    """Return name, attribute and converter of each field that subscribers may see."""
    view = view_of(model)

    def converter(name: str, plain: Callable[[Any], Any]) -> Callable[[Any], Any]:
        redact = view.inner_secrets.get(name)
        return plain if redact is None else lambda value: redact(plain(value))

    fields = whole(model)
    return tuple(
        (name, attname, converter(name, plain)) for name, attname, (plain, _, _) in fields if name in view.names
    )


def forget_fields(**_: object) -> None:
    """Forget which fields are visible: settings changed, as tests do."""
    view_of.cache_clear()
    visible_fields.cache_clear()
