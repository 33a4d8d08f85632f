"""Which rows a `bulk_create()` inserts, which it updates, and which it leaves as they are.

`ignore_conflicts` and `update_conflicts` do not say. So the rows that collide with the objects in a unique key are read
before the statement, and those that have the objects' unique keys after it: what is there now and was not is created.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import cache, reduce
from operator import or_
from typing import Any

from django.db import connections, models
from django.db.models import Max, Q, QuerySet

from heliostat.events.keys import python_key
from heliostat.events.rows import Row, chunks, rows_of, table_of
from heliostat.events.values import target_of

logger = logging.getLogger("heliostat.events")

KEYS_AT_ONCE = 100  # of several columns, which are compared one by one

UniqueKey = tuple[Any, ...]  # fields of a model


class Inserted:
    """What a call of `bulk_create()` with these arguments is about to do; asked again when it is done.

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
        self._may_collide = ignore_conflicts or update_conflicts
        self._is_upsert = update_conflicts
        self._unique = list(_unique_keys(self.model, unique_fields)) if self._may_collide else []
        self._without_key = [one for one in objs if self._may_collide and not self._can_be_found(one)]
        is_unknown = self._without_key or not self._returns_keys() or any(_is_made(one.pk) for one in objs)
        self._last = self._last_key() if is_unknown and _has_number_as_key(self.model) else None
        self._there = self._found() if self._may_collide else {}
        if update_conflicts:
            names = {model._meta.get_field(name).name for name in update_fields or ()}
            names |= {one.name for one in model._meta.concrete_fields if one.generated}
            self.before = dict(rows_of(self.model, list(self._there), using, lock=True, names=names))

    def keys(self) -> list[Any]:
        """The primary keys of the rows that were created or updated, in the order of the objects where it is known."""
        if not self._may_collide:
            self.objects = {python_key(self.model, one.pk): one for one in self._objs if _is_known(one.pk)}
            return list(self.objects) + list(self._newer([one for one in self._objs if not _is_known(one.pk)]))
        found = self._found()
        if self._is_upsert:  # a row with an empty unique key is new, and the database has returned its primary key
            found |= dict.fromkeys(python_key(self.model, one.pk) for one in self._without_key if _is_known(one.pk))
        unknown = [one for one in self._without_key if not _is_known(one.pk)]
        new = [key for key in found if key not in self._there] + list(self._newer(unknown))
        return new + list(self.before)

    def _returns_keys(self) -> bool:
        return bool(connections[self.using].features.can_return_rows_from_bulk_insert)

    def _can_be_found(self, instance: models.Model) -> bool:
        return any(_values(instance, unique) is not None for unique in self._unique)

    def _found(self) -> dict[Any, None]:
        """The primary keys of the rows that have a unique key of one of the objects."""
        found: dict[Any, None] = {}
        for unique in self._unique:
            wanted = [values for one in self._objs if (values := _values(one, unique)) is not None]
            for some in chunks(wanted, 500 if len(unique) == 1 else KEYS_AT_ONCE):
                rows: QuerySet[Any] = QuerySet(self.model, using=self.using).filter(_equal(unique, some)).order_by()
                found |= dict.fromkeys(rows.values_list("pk", flat=True))
        return found

    def _last_key(self) -> Any:
        return QuerySet(self.model, using=self.using).aggregate(last=Max("pk"))["last"]

    def _newer(self, objs: Sequence[models.Model]) -> Iterator[Any]:
        """The primary keys of rows that were inserted since, and that hold what these objects hold.

        Where nothing else tells: there is no unique key, or the database returns no keys.
        """
        if not objs:
            return
        if not _has_number_as_key(self.model):
            logger.warning(
                "%d objects of %s have no events: no key tells their rows", len(objs), self.model._meta.label
            )
            return
        rows: QuerySet[Any] = QuerySet(self.model, using=self.using).order_by("pk")
        newer = [] if self._last is None else rows.filter(pk__gt=self._last).values_list("pk", flat=True)
        found = rows_of(self.model, list(newer or rows.values_list("pk", flat=True)), self.using)
        table, left = table_of(self.model), list(objs)
        for key, row in found:
            for one in left:
                if _holds(row, table.written(one, _names_but_key(self.model))):
                    left.remove(one)
                    yield key
                    break


def _is_made(key: Any) -> bool:
    """Whether the database makes this key: Django 5.2 leaves the expression in place of it."""
    return hasattr(key, "resolve_expression")


def _is_known(key: Any) -> bool:
    return key is not None and not _is_made(key)


def _has_number_as_key(model: type[models.Model]) -> bool:
    """Whether later rows have higher keys; PostgreSQL has no highest UUID, for example."""
    return isinstance(target_of(model._meta.pk), models.IntegerField)


def _unique_keys(model: type[models.Model], names: Sequence[str] | None) -> Iterator[UniqueKey]:
    """The unique keys of a table; the one of these fields only, where an upsert names them."""
    meta = model._meta
    if names:
        yield tuple(meta.pk if name == "pk" else meta.get_field(name) for name in names)
        return
    yield tuple(meta.pk_fields)
    yield from ((one,) for one in meta.local_concrete_fields if one.unique and not one.primary_key)
    groups = [tuple(group) for group in meta.unique_together]
    groups += [
        tuple(one.fields)
        for one in meta.constraints
        if isinstance(one, models.UniqueConstraint) and not one.expressions
    ]
    for group in groups:
        yield tuple(meta.get_field(name) for name in group)


def _values(instance: models.Model, unique: UniqueKey) -> tuple[Any, ...] | None:
    """The unique key of an object; None where it collides with nothing, for a part is empty."""
    values = tuple(_value(instance, one) for one in unique)
    if any(map(_is_made, values)):
        return None
    return None if None in values and not _holds_empty(unique) else values


@cache
def _holds_empty(unique: UniqueKey) -> bool:
    """Whether two rows whose key has the same empty parts collide (NULLS NOT DISTINCT)."""
    names = {one.name for one in unique}
    constraints = (one for one in unique[0].model._meta.constraints if isinstance(one, models.UniqueConstraint))
    return any(one.nulls_distinct is False and set(one.fields) == names for one in constraints)


def _value(instance: models.Model, field: Any) -> Any:
    """What will be inserted: the key of a related object that got one since it was assigned, as Django does it."""
    value = getattr(instance, field.attname)
    if value is None and field.is_relation and (related := field.get_cached_value(instance, default=None)) is not None:
        return getattr(related, field.target_field.attname)
    return value


def _equal(unique: UniqueKey, wanted: Sequence[tuple[Any, ...]]) -> Q:
    if len(unique) == 1 and (None,) not in wanted:
        return Q((f"{unique[0].attname}__in", [values[0] for values in wanted]))
    each = (Q(*((one.attname, value) for one, value in zip(unique, values, strict=True))) for values in wanted)
    return reduce(or_, each)


def _names_but_key(model: type[models.Model]) -> frozenset[str]:
    return frozenset(one.name for one in model._meta.concrete_fields if not one.primary_key and not one.generated)


def _holds(row: Row, written: Row | None) -> bool:
    return written is not None and all(row.get(name) == value for name, value in written.items())
