"""Capture: deletions become events, with the row as it was.

Django deletes faster where no receiver listens, so `post_delete` is connected only for models with subscribers. The
rows are read when the receivers of `pre_delete` are done, which may change them, and before Django clears references
and deletes: the object in memory may differ from its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.deletion import Collector
from django.db.models.sql import UpdateQuery

from heliostat.events.bulk import UpdatedRows, going, updated_levels
from heliostat.events.capture import MARK, subscribed_levels
from heliostat.events.dispatch import Served
from heliostat.events.event import Event
from heliostat.events.keys import python_key
from heliostat.events.matching import registry
from heliostat.events.publish import build_event, publish
from heliostat.events.snapshot import Row, copied, rows_of, snapshot, visible
from heliostat.events.transactions import attempt, change_transaction, is_lost
from heliostat.events.types import lineage

Delete = Callable[[Any], Any]


class Deletion:
    """The rows that one call of `delete()` is about, before it, and the events that it has published."""

    def __init__(self, collector: Collector) -> None:
        self.collector = collector
        self.rows: dict[type[models.Model], dict[Any, Row]] = {}
        self.origins: dict[tuple[type[models.Model], Any], Event] = {}
        self.served: Served = {}

    def read(self) -> None:
        """Read the rows; what Django clears in them from now on is no change of them."""
        for model, instances in self.collector.data.items():
            concrete = next(iter(lineage(model)), None)
            if concrete is not None and concrete in subscribed_levels(model):
                keys = [one.pk for one in instances]
                found = attempt(concrete, partial(_stored, concrete, keys, self.collector.using), None)
                if found is not None:  # else the object in memory says what the row was
                    self.rows.setdefault(concrete, {}).update(found)
        going.set(self.rows)

    def published(self, instance: models.Model, event: Event) -> None:
        """Remember the event of an object: the parts of it in parents' tables are deleted next."""
        for parent in lineage(type(instance))[1:]:
            self.origins[parent, _key(instance, parent)] = event


def _stored(model: type[models.Model], keys: list[Any], using: str) -> dict[Any, Row]:
    return dict(rows_of(model, keys, using, lock=True))


def _key(instance: models.Model, model: type[models.Model]) -> Any:
    """Return the primary key of an object's row in the table of this model, as the database gives it."""
    return python_key(model, getattr(instance, model._meta.pk.attname))


_current: ContextVar[Deletion | None] = ContextVar("heliostat_deletion", default=None)


def install() -> None:
    """Wrap `Collector.delete`, and how it comes from one step to the next (once)."""
    if not hasattr(Collector.delete, MARK):
        Collector.can_fast_delete = _knowing(Collector.can_fast_delete)  # type: ignore[method-assign]
        Collector.delete = _capturing(Collector.delete)  # type: ignore[method-assign,assignment]
        Collector.instances_with_model = _reading(Collector.instances_with_model)  # type: ignore[method-assign,assignment]
        UpdateQuery.update_batch = _capturing_update(UpdateQuery.update_batch)  # type: ignore[method-assign]


def _knowing(can_fast_delete: Callable[..., bool]) -> Callable[..., bool]:
    """Django asks whether a receiver listens before its first query, with which subscriptions are loaded otherwise."""

    @wraps(can_fast_delete)
    def knowing_can_fast_delete(self: Any, *args: Any, **kwargs: Any) -> bool:
        if apps.ready:
            registry.matcher  # noqa: B018  loads them, and connects the receivers
        return can_fast_delete(self, *args, **kwargs)

    return knowing_can_fast_delete


def _capturing(delete: Delete) -> Delete:
    @wraps(delete)
    def capturing_delete(self: Any) -> Any:
        models_of_change = (*self.data, *(field.model for field, _ in self.field_updates))
        if not any(map(subscribed_levels, models_of_change)):
            return delete(self)
        with change_transaction(self.using, is_djangos=True):
            token, token_of_rows = _current.set(Deletion(self)), going.set({})
            try:
                return delete(self)
            finally:
                going.reset(token_of_rows)
                _current.reset(token)

    setattr(capturing_delete, MARK, True)
    return capturing_delete


def _reading(instances_with_model: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    """Django sends `pre_delete` for each of these."""

    @wraps(instances_with_model)
    def reading_instances_with_model(self: Any) -> Iterator[Any]:
        yield from instances_with_model(self)
        deletion = _current.get()
        if deletion is not None and deletion.collector is self:
            deletion.read()

    return reading_instances_with_model


def _capturing_update(update_batch: Callable[..., None]) -> Callable[..., None]:
    """Django clears references by key with it, past `QuerySet.update()`."""

    @wraps(update_batch)
    def capturing_update_batch(self: Any, pk_list: list[Any], values: dict[str, Any], using: str) -> None:
        rows = None
        if updated_levels(self.model):
            rows = attempt(self.model, partial(UpdatedRows, self.model, pk_list, values, using), None)
        update_batch(self, pk_list, values, using)
        if rows is not None:
            rows.publish()

    return capturing_update_batch


def deleted(instance: models.Model, using: str, **_: Any) -> None:
    """The receiver of `post_delete`: publish that a row was deleted, for subscribers of its model."""
    model = next(iter(lineage(type(instance))), None)
    if model is None or model not in subscribed_levels(type(instance)):
        return
    going.set({})
    if is_lost(using):
        return
    deletion = _current.get()
    event = attempt(model, lambda: _deleted(instance, model, using, deletion), None)
    if event is not None:
        publish([event], using, deletion.served if deletion else None)


def _deleted(instance: models.Model, model: type[models.Model], using: str, deletion: Deletion | None) -> Event | None:
    if deletion is None or model not in deletion.rows:
        row: Row | None = snapshot(instance, using)
    else:  # once: Django may collect a row as its model and as a proxy of it
        row = deletion.rows[model].pop(_key(instance, model), None)
    if row is None:  # there was no such row, so none was deleted
        return None
    origin = deletion.origins.get((model, _key(instance, model))) if deletion else None
    facts = {"snapshot": visible(row, model, using), "origin": origin and origin.id}
    event = build_event("deleted", copied(instance), using, model, **facts)
    if deletion:
        deletion.published(instance, origin or event)
    return event
