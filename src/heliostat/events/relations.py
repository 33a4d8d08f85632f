"""Capture: deletions and changes of many-to-many relations become events.

Django deletes and relates faster where no receiver listens, so receivers are connected only to models that
somebody asked about, whenever what is asked about changes.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db import models
from django.db.models.signals import m2m_changed, post_delete

from heliostat.events.capture import happened, is_watched, make
from heliostat.events.matching import Matcher
from heliostat.events.secrets import points_to_secret
from heliostat.events.snapshot import snapshot

UID = "heliostat"
BEFORE = "_heliostat_before"  # on the object, between the two signals of one change


def connect(matcher: Matcher | None) -> None:
    """Listen to exactly the models that somebody asked about; to all while that is not known."""
    for model in apps.get_models():
        asked = not model._meta.proxy and (matcher is None or matcher.asked_of(model))
        _switch(post_delete, _deleted, model, asked)
        for field in model._meta.local_many_to_many:
            _switch(m2m_changed, _related, field.remote_field.through, asked)


def _switch(signal: models.signals.ModelSignal, receiver: Any, sender: Any, on: bool) -> None:
    if on:
        signal.connect(receiver, sender=sender, dispatch_uid=UID)
    else:
        signal.disconnect(receiver, sender=sender, dispatch_uid=UID)


def _deleted(instance: models.Model, using: str, **_: Any) -> None:
    if is_watched(type(instance)):
        happened(make("deleted", instance, using, snapshot=snapshot(instance)), using)


def _related(sender: Any, instance: Any, action: str, reverse: bool, pk_set: Any, using: str, **_: Any) -> None:
    """Relations belong to the model that declares the field, from whichever side they are changed."""
    if action.startswith("pre_"):
        field = _field_of(sender)
        holders = _holders(field, instance, pk_set, using) if reverse else [instance]
        if is_watched(field.model):
            instance.__dict__[BEFORE] = (
                field,
                [(holder, _related_keys(holder, field, using)) for holder in holders],
            )
    elif remembered := instance.__dict__.pop(BEFORE, None):
        field, holders = remembered
        for holder, before in holders:
            _tell_relation(holder, field, before, using)


def _field_of(through: type[models.Model]) -> models.ManyToManyField[Any, Any]:
    return next(
        field
        for model in apps.get_models()
        for field in model._meta.local_many_to_many
        if field.remote_field.through is through
    )


def _holders(field: Any, related: models.Model, pks: set[Any] | None, using: str) -> list[models.Model]:
    """The objects whose field is changed from the other side; all of them where it is cleared."""
    chosen = {field.name: related} if pks is None else {"pk__in": pks}
    return list(field.model._base_manager.using(using).filter(**chosen))


def _tell_relation(holder: models.Model, field: Any, before: list[Any], using: str) -> None:
    now = _related_keys(holder, field, using)
    if before != now:
        change = (None, None) if points_to_secret(field) else (before, now)
        facts = {"snapshot": snapshot(holder), "changes": {field.name: change}}
        happened(make("updated", holder, using, **facts), using)


def _related_keys(holder: Any, field: Any, using: str) -> list[Any]:
    """Keys of the related objects, in order."""
    source, target = field.m2m_field_name(), field.m2m_reverse_field_name()
    rows = field.remote_field.through._base_manager.using(using).filter(**{source: holder.pk})
    return list(rows.order_by(target).values_list(target, flat=True))
