"""Capture: `update()`, `bulk_create()` and `bulk_update()` of a queryset become events.

The statement of the host runs once, unchanged. For a model with subscribers, the keys of the rows that it is about and
the old values of the fields that it sets are read (and locked, where the database can) before it, the new rows by key
after it, in chunks. All of it is one transaction. Related managers, `SET_NULL` and the asynchronous variants call these
same functions; `bulk_update()` calls `update()`.

At the usual isolation level (read committed), rows that another connection commits between the look and the statement
may be changed by the statement without an event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any, TypeVar

import django
from django.core.exceptions import FieldDoesNotExist, FieldError
from django.db import models
from django.db.models import F, QuerySet, Value
from django.db.models.sql import Query

from heliostat.conf import conf
from heliostat.events.capture import MARK, Levels, can_be_refused, subscribed_levels
from heliostat.events.event import Event
from heliostat.events.inserted import Inserted
from heliostat.events.publish import build_event, publish
from heliostat.events.snapshot import Row, chunks, difference, in_memory, rows_of, visible
from heliostat.events.transactions import attempt, change_transaction
from heliostat.events.types import lineage
from heliostat.events.values import target_of

logger = logging.getLogger("heliostat.events")

T = TypeVar("T")
MISUSE = (FieldDoesNotExist, FieldError, AttributeError, TypeError, ValueError)
"""What a call raises that Django refuses; it does so in its own words when it is called."""

going: ContextVar[Mapping[type[models.Model], Container[Any]]] = ContextVar("heliostat_going", default={})  # noqa: B039
"""By model, the keys of the rows that a deletion has read and not deleted yet: what it clears in them is no change."""


def install() -> None:
    """Wrap `QuerySet.update` and `QuerySet.bulk_create` (once)."""
    if not hasattr(QuerySet.update, MARK):
        QuerySet.update = _capturing_update(QuerySet.update)  # type: ignore[method-assign]
        QuerySet.bulk_create = _capturing_bulk_create(QuerySet.bulk_create)  # type: ignore[method-assign]


def updated_levels(model: type[models.Model]) -> Levels:
    """Return the levels of a model for whose subscribers bulk statements are captured."""
    return subscribed_levels(model) if conf.capture_bulk else ()


def _capturing_update(update: Callable[..., int]) -> Callable[..., int]:
    @wraps(update)
    def capturing_update(self: Any, **values: Any) -> int:
        levels = updated_levels(self.model)
        if not levels or not values or self.query.is_sliced or self.query.combinator:
            return update(self, **values)  # which refuses slices and combinations, in its own words
        self._for_write = True
        using = self.db
        with change_transaction(using, savepoint=can_be_refused(self.model)):
            changed = _before(self.model, "an update", partial(_rows_to_update, self, values, using))
            count = update(self, **values)
            if changed is not None:
                changed.publish()
        return count

    setattr(capturing_update, MARK, True)
    return capturing_update


def _before(model: type[models.Model], call: str, read: Callable[[], T]) -> T | None:
    """Return what is read before a call; None where it cannot be read, which Django will say in its own words."""
    try:
        return attempt(model, read, None, but=MISUSE)
    except MISUSE as error:
        logger.info("%s of %s has no events: %r", call, model._meta.label, error)
        return None


def _rows_to_update(queryset: Any, values: dict[str, Any], using: str) -> UpdatedRows:
    rows = _as_updated(queryset, using)
    if (new_key := _new_key(queryset.model, values)) is None:
        return UpdatedRows(queryset.model, list(dict.fromkeys(rows.values_list("pk", flat=True))), values, using)
    is_composite = queryset.model._meta.is_composite_pk
    new_keys = {old: tuple(new) if is_composite else new[0] for old, *new in rows.values_list("pk", *new_key)}
    return UpdatedRows(queryset.model, list(new_keys), values, using, new_keys)


def _as_updated(queryset: Any, using: str) -> QuerySet[Any]:
    """Return the rows of a queryset as an UPDATE finds them, whatever its class has made of the methods that read rows.

    An UPDATE takes no notice of locks, which may skip rows or fail, and of one table none of DISTINCT.
    """
    query = queryset.query.chain(klass=Query)
    query.select_for_update = False
    query.get_initial_alias()
    if query.count_active_tables() == 1:
        query.distinct_fields = ()
    return QuerySet(queryset.model, query, using).order_by()


def _new_key(model: type[models.Model], values: Mapping[str, Any]) -> list[Any] | None:
    """The primary key that a statement gives each row, as an expression for each of its fields; None where it stays."""
    fields: Any = model._meta.pk_fields
    set_by = [{one.name, one.attname, "pk"} & values.keys() for one in fields]
    if not any(set_by):
        return None
    pairs = zip(fields, set_by, strict=True)
    return [_expression(one, values[name.pop()]) if name else F(one.attname) for one, name in pairs]


def _expression(field: Any, value: Any) -> Any:
    if hasattr(value, "resolve_expression"):
        return value
    target = target_of(field)
    if isinstance(value, models.Model):
        value = getattr(value, target.attname)
    return Value(target.get_prep_value(value), output_field=target)


class UpdatedRows:
    """Rows that a statement is about to update: their keys, and the old values of the fields that it sets.

    `new_keys` are the primary keys that the statement gives them, by the old ones.
    """

    def __init__(
        self,
        model: type[models.Model],
        keys: Sequence[Any],
        values: Mapping[str, Any],
        using: str,
        new_keys: Mapping[Any, Any] | None = None,
    ) -> None:
        self.model = lineage(model)[0]
        self.using = using
        names = _names(self.model, values)
        if deleted := going.get().get(self.model):
            keys = [key for key in keys if key not in deleted]
        self.before = dict(rows_of(self.model, keys, using, lock=True, names=names))
        self.new_keys = new_keys or {}

    def publish(self) -> None:
        """Publish what changed, a chunk of rows at a time."""
        levels = subscribed_levels(self.model)
        for keys in chunks(list(self.before)):
            publish(attempt(self.model, partial(self._events, keys, levels), []), self.using)

    def _events(self, keys: Sequence[Any], levels: Levels) -> list[Event]:
        events: list[Event] = []
        old_keys = {self.new_keys.get(key, key): key for key in keys}
        for key, row in rows_of(self.model, list(old_keys), self.using):
            events += _events_of(self.model, levels, self.before[old_keys[key]], row, self.using)
        return events


def _names(model: type[models.Model], fields: Iterable[str]) -> frozenset[str]:
    """Return the names of the columns that a statement sets, and of those that the database makes of others."""
    of_keyword = {name: one.name for one in model._meta.concrete_fields for name in (one.name, one.attname)}
    of_keyword["pk"] = model._meta.pk.name
    made = {one.name for one in model._meta.concrete_fields if one.generated}
    return frozenset({of_keyword.get(name, name) for name in fields} | made)


def _events_of(model: type[models.Model], levels: Levels, before: Row, row: Row, using: str) -> Iterator[Event]:
    """Return the events of one row that differs, of its model and of the parents whose columns differ."""
    origin = None
    instance: models.Model | None = None
    for level in levels:
        if changes := difference(visible(before, level, using), visible(row, level, using)):
            instance = instance or in_memory(model, row, using)
            event = build_event(
                "updated", instance, using, level, snapshot=visible(row, level, using), changes=changes, origin=origin
            )
            origin = origin or event.id
            yield event


def _capturing_bulk_create(bulk_create: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    @wraps(bulk_create)
    def capturing_bulk_create(self: Any, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        levels = updated_levels(self.model)
        if not objs or not levels:
            return bulk_create(self, objs, *args, **kwargs)
        objs = list(objs)
        self._for_write = True
        using = self.db
        # Since Django 6.0, it begins a transaction only for objects some of which have a key.
        is_djangos = django.VERSION < (6, 0) or len({one.pk is None for one in objs}) > 1
        with change_transaction(using, can_be_refused(self.model), is_djangos):
            insert = partial(Inserted, self.model, objs, using, *args, **kwargs)
            inserted = _before(self.model, "a bulk_create", insert)
            created = bulk_create(self, objs, *args, **kwargs)
            if inserted is not None:
                for keys in chunks(attempt(self.model, inserted.keys, [])):
                    publish(attempt(self.model, partial(_events_of_inserted, inserted, keys), []), using)
        return created

    setattr(capturing_bulk_create, MARK, True)
    return capturing_bulk_create


def _events_of_inserted(inserted: Inserted, keys: Sequence[Any]) -> list[Event]:
    model, using, levels = inserted.model, inserted.using, subscribed_levels(inserted.model)
    events: list[Event] = []
    for key, row in rows_of(model, keys, using):
        if key in inserted.before:
            events += _events_of(model, levels, inserted.before[key], row, using)
        else:
            instance = inserted.objects.get(key) or in_memory(model, row, using)
            events.append(build_event("created", instance, using, model, snapshot=visible(row, model, using)))
    return events
