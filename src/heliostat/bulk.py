"""Bulk changes that are told of.

Django's `queryset.update()`, `bulk_create()` and `bulk_update()` send no signals, so nobody can be told of them. These
functions do the same and tell: `heliostat.bulk.update(Target.objects.filter(…), status="retired")`. Where nobody asked,
they cost what Django's own cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from django.db import models, router, transaction

from heliostat.events.batch import current_batch
from heliostat.events.capture import is_watched, make
from heliostat.events.event import Event
from heliostat.events.snapshot import difference, snapshot
from heliostat.events.telling import tell

M = TypeVar("M", bound=models.Model)
CHUNK = 500


def create(model: type[M], objects: Iterable[M], *, batch_size: int | None = None) -> list[M]:
    """`bulk_create()`, and one `created` for each object. Needs a database that returns the new keys."""
    using = router.db_for_write(model)
    with transaction.atomic(using=using, savepoint=False):
        created = model._default_manager.using(using).bulk_create(objects, batch_size=batch_size)
        if is_watched(model):
            _tell([make("created", item, using, snapshot=snapshot(item)) for item in created], using)
    return created


def update(queryset: models.QuerySet[M], **values: Any) -> int:
    """`queryset.update(**values)`, and one `updated` for each row that differs afterwards.

    The rows are locked (where the database can) and read before and after, so that old and new are true.
    """
    if not is_watched(queryset.model):
        return queryset.update(**values)
    using = router.db_for_write(queryset.model)
    with transaction.atomic(using=using, savepoint=False):
        before = {item.pk: snapshot(item) for item in _locked(queryset.using(using))}
        rows = queryset.model._base_manager.using(using)
        count = 0
        for keys in _chunks(list(before)):
            count += rows.filter(pk__in=keys).update(**values)
            _tell(_changes(rows.filter(pk__in=keys), before, using), using)
    return count


def update_objects(objects: Sequence[M], fields: Sequence[str], *, batch_size: int | None = None) -> int:
    """`bulk_update()`, and one `updated` for each object that differs afterwards."""
    if not objects:
        return 0
    model = type(objects[0])
    using = router.db_for_write(model, instance=objects[0])
    rows = model._base_manager.using(using)
    with transaction.atomic(using=using, savepoint=False):
        if not is_watched(model):
            return rows.bulk_update(objects, fields, batch_size=batch_size)
        before: dict[Any, dict[str, Any]] = {}
        for keys in _chunks([item.pk for item in objects]):
            before |= {item.pk: snapshot(item) for item in _locked(rows.filter(pk__in=keys))}
        count = rows.bulk_update(objects, fields, batch_size=batch_size)
        for keys in _chunks(list(before)):
            _tell(_changes(rows.filter(pk__in=keys), before, using), using)
    return count


def _locked(queryset: models.QuerySet[M]) -> models.QuerySet[M]:
    return queryset.select_for_update() if queryset.query.can_filter() else queryset


def _changes(rows: models.QuerySet[M], before: dict[Any, dict[str, Any]], using: str) -> list[Event]:
    events = []
    for item in rows:
        after = snapshot(item)
        if changes := difference(before[item.pk], after):
            events.append(make("updated", item, using, snapshot=after, changes=changes))
    return events


def _tell(events: list[Event], using: str) -> None:
    if (batch := current_batch(using)) is not None:
        for event in events:
            batch.add(event)
    elif events:
        tell(events, using)


def _chunks(keys: list[Any]) -> list[list[Any]]:
    return [keys[start : start + CHUNK] for start in range(0, len(keys), CHUNK)]
