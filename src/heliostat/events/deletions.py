"""Capture: deletions become events, with the row as it was.

Django deletes faster where no receiver listens, so `post_delete` is connected only for models with subscribers. The
rows are read just before, all of a model at once, for the object in memory may differ from its row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from copy import copy
from functools import partial, wraps
from typing import Any

from django.db import models
from django.db.models.deletion import Collector

from heliostat.events.bulk import UpdatedRows
from heliostat.events.capture import MARK, build_event, lineage, observed, publish
from heliostat.events.dispatch import Served
from heliostat.events.event import Event
from heliostat.events.keys import python_key
from heliostat.events.rows import Row, rows_of
from heliostat.events.snapshot import snapshot, visible
from heliostat.events.transactions import change_transaction
from heliostat.events.unnoticed import attempt

Delete = Callable[[Any], Any]


class Deletion:
    """The rows that one call of `delete()` is about, before it, and the events that it has published."""

    def __init__(self, collector: Collector) -> None:
        self.rows: dict[type[models.Model], dict[Any, Row]] = {}
        self.origins: dict[tuple[type[models.Model], Any], Event] = {}
        self.served: Served = {}
        for model, instances in collector.data.items():
            concrete = next(iter(lineage(model)), None)
            if concrete is not None and concrete in observed(model):
                keys = [one.pk for one in instances]
                found = attempt(concrete, partial(_stored, concrete, keys, collector.using), None)
                if found is not None:  # else the object in memory says what the row was
                    self.rows.setdefault(concrete, {}).update(found)

    def published(self, instance: models.Model, event: Event) -> None:
        """Remember the event of an object: the parts of it in parents' tables are deleted next."""
        for parent in lineage(type(instance))[1:]:
            self.origins[parent, _key(instance, parent)] = event


def _stored(model: type[models.Model], keys: list[Any], using: str) -> dict[Any, Row]:
    return dict(rows_of(model, keys, using, lock=True))


def _key(instance: models.Model, model: type[models.Model]) -> Any:
    """The primary key of an object's row in the table of this model, as the database gives it."""
    return python_key(model, getattr(instance, model._meta.pk.attname))


_current: ContextVar[Deletion | None] = ContextVar("heliostat_deletion", default=None)


def install() -> None:
    """Wrap `Collector.delete` (once)."""
    if not hasattr(Collector.delete, MARK):
        Collector.delete = _capturing(Collector.delete)  # type: ignore[method-assign,assignment]


def _capturing(delete: Delete) -> Delete:
    @wraps(delete)
    def capturing_delete(self: Any) -> Any:
        updated = [model for model in _models_updated(self) if observed(model)]
        if not updated and not any(observed(model) for model in self.data):
            return delete(self)
        with change_transaction(self.using):
            updates = [one for one in _evaluated(self) if observed(one[0])]
            cleared = [attempt(one[0], partial(UpdatedRows, *one, self.using), None) for one in updates]
            with _during(Deletion(self)):
                result = delete(self)
            for rows in filter(None, cleared):
                rows.publish()
        return result

    setattr(capturing_delete, MARK, True)
    return capturing_delete


@contextmanager
def _during(deletion: Deletion) -> Iterator[None]:
    token = _current.set(deletion)
    try:
        yield
    finally:
        _current.reset(token)


def _models_updated(collector: Collector) -> set[type[models.Model]]:
    return {field.model for field, _ in collector.field_updates}


def _evaluated(collector: Any) -> Iterator[tuple[type[models.Model], list[Any], dict[str, Any]]]:
    """Model, keys and field of the objects whose reference Django clears by key, past `QuerySet.update()`."""
    for (field, value), instances_list in collector.field_updates.items():
        found = [
            one
            for instances in instances_list
            if not (isinstance(instances, models.QuerySet) and instances._result_cache is None)
            for one in instances
        ]
        if found:
            yield type(found[0]), list({one.pk for one in found}), {field.name: value}


def deleted(instance: models.Model, using: str, **_: Any) -> None:
    """The receiver of `post_delete`: publish that a row was deleted, for subscribers of its model."""
    model = next(iter(lineage(type(instance))), None)
    if model is None or model not in observed(type(instance)):
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
    event = build_event("deleted", copy(instance), using, model, **facts)
    if deletion:
        deletion.published(instance, origin or event)
    return event
