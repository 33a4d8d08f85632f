"""Which rows a `bulk_create()` inserts, which it updates, and which it leaves as they are.

`ignore_conflicts` and `update_conflicts` do not say. So the rows that collide with the objects in a unique key are read
before the statement, and those that have the objects' unique keys after it: what is there now and was not is created.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from functools import cache, reduce
from operator import or_
from typing import Any

from django.db import connections, models
from django.db.models import Max, Q, QuerySet

from heliostat.events.keys import python_key
from heliostat.events.snapshot import Row, chunks, rows_of, table_of
from heliostat.events.values import target_of

logger = logging.getLogger("heliostat.events")

KEYS_AT_ONCE = 100  # of several columns, which are compared one by one


class Inserted:
    """What a call of `bulk_create()` with these arguments is about to do; and has done.

    `before` are the old values of the rows that an upsert may update, by primary key; `objects` are the caller's own.
    """

    def __init__(
        self,
        model: type[models.Model],
        objs: Sequence[models.Model],
        using: str,
        batch_size: int | None = None,  # noqa: ARG002  the signature of Django
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Sequence[str] | None = None,
        unique_fields: Sequence[str] | None = None,
    ) -> None:
        self.model = model._meta.concrete_model or model
        self.using = using
        self.before: dict[Any, Row] = {}
        self.objects: dict[Any, models.Model] = {}
        self._objs = objs
        may_collide = ignore_conflicts or update_conflicts
        self._unique = unique_keys(self.model, tuple(unique_fields or ())) if may_collide else []
        self._there = self._found()
        returns_keys = connections[using].features.can_return_rows_from_bulk_insert and not ignore_conflicts
        self._without_returned_key = [
            one
            for one in objs
            if not _is_known(one.pk) and (not returns_keys or _is_made(one.pk))
            if all(unique.values_of(one) is None for unique in self._unique)
        ]
        self._last = None
        if self._without_returned_key and _has_number_as_key(self.model):
            self._last = QuerySet(self.model, using=using).aggregate(last=Max("pk"))["last"]
        if update_conflicts:
            names = {model._meta.get_field(name).name for name in update_fields or ()}
            names |= {one.name for one in model._meta.concrete_fields if one.generated}
            self.before = dict(rows_of(self.model, list(self._there), using, lock=True, names=names))

    def keys(self) -> list[Any]:
        """The primary keys of the rows that were created or updated, in the order of the objects where it is known.

        A key that an object brought may be of no row: the object was ignored.
        """
        known = {python_key(self.model, one.pk): one for one in self._objs if _is_known(one.pk)}
        self.objects = {} if self._unique else known
        new = {key: None for key in (*known, *self._found()) if key not in self._there}
        return [*new, *self._newer(new), *self.before]

    def _found(self) -> dict[Any, None]:
        """Return the primary keys of the rows that have a unique key of one of the objects."""
        found: dict[Any, None] = {}
        for unique in self._unique:
            wanted = [values for one in self._objs if (values := unique.values_of(one)) is not None]
            for some in chunks(wanted, unique.at_once):
                rows: QuerySet[Any] = QuerySet(self.model, using=self.using).filter(unique.condition(some)).order_by()
                found |= dict.fromkeys(rows.values_list("pk", flat=True))
        return found

    def _newer(self, known: Collection[Any]) -> Iterator[Any]:
        """The primary keys of rows that were inserted since, and that hold what the objects without a key hold."""
        left = [one for one in self._without_returned_key if not _is_known(one.pk)]
        if not left:
            return
        if not _has_number_as_key(self.model):
            logger.warning(
                "%d objects of %s have no events: no key identifies their rows", len(left), self.model._meta.label
            )
            return
        rows: QuerySet[Any] = QuerySet(self.model, using=self.using).order_by("pk")
        keys = (rows if self._last is None else rows.filter(pk__gt=self._last)).values_list("pk", flat=True)
        table, fields = table_of(self.model), self.model._meta.concrete_fields
        names = frozenset(one.name for one in fields if not one.primary_key and not one.generated)
        for key, row in rows_of(self.model, [key for key in keys if key not in known], self.using):
            for one in left:
                written = table.written(one, names)
                if written is not None and all(row.get(name) == value for name, value in written.items()):
                    left.remove(one)
                    yield key
                    break


class UniqueKey:
    """Fields of a model that no two rows have the same values of."""

    def __init__(self, fields: Sequence[Any]) -> None:
        self._fields = fields
        names, constraints = {one.name for one in fields}, fields[0].model._meta.constraints
        self._has_empty = any(  # rows with the same empty parts collide (NULLS NOT DISTINCT)
            isinstance(one, models.UniqueConstraint) and one.nulls_distinct is False and set(one.fields) == names
            for one in constraints
        )
        self.at_once = 500 if len(fields) == 1 else KEYS_AT_ONCE

    def values_of(self, instance: models.Model) -> tuple[Any, ...] | None:
        """The values of an object; None where it collides with nothing, for a part is empty or made by the database."""
        values = tuple(_value(instance, one) for one in self._fields)
        return None if any(map(_is_made, values)) or (None in values and not self._has_empty) else values

    def condition(self, wanted: Sequence[tuple[Any, ...]]) -> Q:
        """That a row has one of these values."""
        if len(self._fields) == 1 and (None,) not in wanted:
            return Q((f"{self._fields[0].attname}__in", [values[0] for values in wanted]))
        names = [one.attname for one in self._fields]
        return reduce(or_, (Q(*zip(names, values, strict=True)) for values in wanted))


@cache
def unique_keys(model: type[models.Model], names: tuple[str, ...] = ()) -> list[UniqueKey]:
    """Return the unique keys of a table; the one of these fields only, where an upsert names them."""
    meta = model._meta
    if names:
        return [UniqueKey([meta.pk if name == "pk" else meta.get_field(name) for name in names])]
    columns = (one for one in meta.local_concrete_fields if one.unique and not one.primary_key)
    constraints = (one for one in meta.constraints if isinstance(one, models.UniqueConstraint) and not one.expressions)
    groups = [*meta.unique_together, *(one.fields for one in constraints)]
    named = [[meta.get_field(name) for name in group] for group in groups]
    keys: list[Sequence[Any]] = [meta.pk_fields, *([one] for one in columns), *named]
    return [UniqueKey(fields) for fields in keys]


def _value(instance: models.Model, field: Any) -> Any:
    """What will be inserted: the key of a related object that got one since it was assigned, as Django does it."""
    value = getattr(instance, field.attname)
    if value is None and field.is_relation and (related := field.get_cached_value(instance, default=None)) is not None:
        return getattr(related, field.target_field.attname)
    return value


def _is_made(key: Any) -> bool:
    """Return whether the database makes this key: Django 5.2 leaves the expression in place of it."""
    return hasattr(key, "resolve_expression")


def _is_known(key: Any) -> bool:
    return key is not None and not _is_made(key)


def _has_number_as_key(model: type[models.Model]) -> bool:
    """Return whether later rows have higher keys; PostgreSQL has no highest UUID, for example."""
    return isinstance(target_of(model._meta.pk), models.IntegerField)
