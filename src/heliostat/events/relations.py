"""Capture: changes of many-to-many relations become events of the model that declares the field.

Django relates faster where no receiver listens, so receivers are connected only for models with subscribers, whenever
what is subscribed to changes. Managers of other packages (tags, for example) take part as far as they send Django's
`m2m_changed`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

from django.apps import apps
from django.db import models
from django.db.models import QuerySet
from django.db.models.signals import m2m_changed, post_delete

from heliostat.events.capture import subscribed_levels
from heliostat.events.deletions import deleted
from heliostat.events.event import Event
from heliostat.events.publish import build_event, publish
from heliostat.events.secrets import points_to_secret
from heliostat.events.snapshot import rows_of, visible
from heliostat.events.subscriptions import Patterns
from heliostat.events.transactions import attempt, own_savepoint
from heliostat.events.types import lineage
from heliostat.events.values import conversion_of

logger = logging.getLogger("heliostat.events")

UID = "heliostat"
BEFORE = "heliostat_relations"  # on the state of an object, between the two signals of one change

Keys = list[Any]


class UnderWay(list[tuple[type[models.Model], list["Relation"]]]):
    """Changes of an object's relations between their two signals, each with the model between the related ones.

    A change that failed is left here. So a pickle or a copy of the object gets an empty list: that model has no name to
    be pickled by, and where the pickle is read Heliostat may not be installed.
    """

    def __reduce__(self) -> tuple[type[list[Any]], tuple[()]]:
        return list, ()


def connect(patterns: Patterns | None) -> None:
    """Listen to exactly the models that have subscribers; to all while these are not known."""
    throughs: dict[type[models.Model], bool] = {}
    for model in apps.get_models():
        has_subscribers = patterns is None or bool(patterns.levels(model))
        _switch(post_delete, deleted, model, has_subscribers)
        for field in model._meta.many_to_many:
            if isinstance(through := _through(field), type):  # not the name of a model that is not there
                throughs[through] = throughs.get(through, False) or has_subscribers
    for through, has_subscribers in throughs.items():
        _switch(m2m_changed, related, through, has_subscribers)


def _switch(signal: models.signals.ModelSignal, receiver: Any, sender: Any, on: bool) -> None:
    # Not weakly: Django would keep a finalizer for each call.
    if on:
        signal.connect(receiver, sender=sender, weak=False, dispatch_uid=UID)
    else:
        signal.disconnect(receiver, sender=sender, dispatch_uid=UID)


def _through(field: Any) -> Any:
    return getattr(field.remote_field, "through", None)


def related(
    sender: type[models.Model],
    instance: models.Model,
    action: str,
    reverse: bool,
    model: type[models.Model],
    pk_set: set[Any] | None,
    using: str,
    **_: Any,
) -> None:
    """The receiver of `m2m_changed`: publish what changed, for the objects that have the field."""
    state = instance._state.__dict__
    if action.startswith("pre_"):
        holder_model = model if reverse else type(instance)
        before: list[Relation] = attempt(
            holder_model,
            lambda: [
                Relation(field, holder, using)
                for field in holder_model._meta.many_to_many
                if _through(field) is sender
                for holder in _holders(field, instance, reverse, pk_set, using)
                if subscribed_levels(type(holder))
            ],
            [],
        )
        state[BEFORE] = UnderWay([*state.get(BEFORE, ()), (sender, before)])  # a receiver may begin another
        return
    under_way = state.pop(BEFORE, UnderWay())
    while under_way:
        between, before = under_way.pop()
        if between is sender:  # what began after it has failed
            break
    else:
        return
    if under_way:
        state[BEFORE] = under_way
    added = {instance.pk} if action == "post_add" else set()
    for relation in before:
        others = set() if relation.holder is instance or reverse else added
        publish(attempt(type(relation.holder), partial(relation.events, others), []), using)


class Relation:
    """The related objects of one object by one field, as they are before a change."""

    def __init__(self, field: Any, holder: models.Model, using: str) -> None:
        self._field, self.holder, self._using = field, holder, using
        self._before = self._keys()

    def events(self, added: set[Any]) -> list[Event]:
        """The change as events, for subscribers of the object's model, and of those parents that have the field too.

        `added` is what Django is about to add: the other side of a symmetrical relation, without a signal of its own.
        """
        name, now = self._field.name, self._keys()
        if now is None or self._before is None:
            return []
        if added:
            now = sorted({*now, *added})
        if now == self._before:
            return []
        model = lineage(type(self.holder))[0]
        row = next((row for _, row in rows_of(model, [self.holder.pk], self._using)), {})
        events: list[Event] = []
        for level in subscribed_levels(model):
            if issubclass(level, self._field.model):
                is_hidden = points_to_secret(self._field, level)
                facts = {
                    "snapshot": visible(row, level, self._using) | ({} if is_hidden else {name: now}),
                    "changes": {name: (None, None) if is_hidden else (self._before, now)},
                }
                origin = events[0].id if events else None
                events.append(build_event("updated", self.holder, self._using, level, origin=origin, **facts))
        return events

    def _keys(self) -> Keys | None:
        """The primary keys of the related objects, in order; None where the field of another package cannot say."""
        if isinstance(self._field, models.ManyToManyField):
            return _keys_in_table(self._field, self.holder, self._using)
        try:
            with own_savepoint():
                related = getattr(self.holder, self._field.name)
                if isinstance(related, models.Manager):  # it can read in the database of the change
                    related = related.get_queryset().using(self._using)
                else:
                    related = self._field.value_from_object(self.holder)
                return sorted(one.pk for one in related)
        except Exception as error:
            logger.warning("changes of %s have no events: %r", self._field, error)
            return None


def _keys_in_table(field: Any, holder: models.Model, using: str) -> Keys:
    through = field.remote_field.through
    source, target = (
        through._meta.get_field(name) for name in (field.m2m_field_name(), field.m2m_reverse_field_name())
    )
    rows: QuerySet[Any] = QuerySet(through, using=using).filter(
        **{source.attname: getattr(holder, source.target_field.attname)}
    )
    plain = conversion_of(target.related_model._meta.pk).plain
    return [plain(key) for key in rows.order_by(f"{target.name}__pk").values_list(f"{target.name}__pk", flat=True)]


def _holders(
    field: Any, instance: models.Model, reverse: bool, keys: set[Any] | None, using: str
) -> Iterator[models.Model]:
    """The objects whose field is changed: the object itself, or those on the other side; all where it is cleared.

    A symmetrical relation (friends) changes both.
    """
    if not reverse:
        yield instance
    if not isinstance(field, models.ManyToManyField):
        return  # another package's, which says nothing of its other side; tags claim to be symmetrical
    if reverse or field.remote_field.symmetrical:
        through: Any = field.remote_field.through
        source = through._meta.get_field(field.m2m_field_name())
        chosen = {field.name: instance} if keys is None else {f"{source.target_field.attname}__in": keys}
        yield from QuerySet(field.model, using=using).filter(**chosen)
