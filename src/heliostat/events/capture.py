"""Capture: saves become events.

Django sends `post_save` after the row is committed where no transaction is open, so a process that dies in
between would lose the event. Therefore `Model.save_base` is wrapped: for a model that somebody asked about, the
row and what is told of it are one transaction. For every other model the wrapper costs one look-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Any

from django.db import models, router, transaction

from heliostat.events import context
from heliostat.events.batch import current_batch
from heliostat.events.event import NOTHING, Event
from heliostat.events.matching import registry
from heliostat.events.resources import resource_of
from heliostat.events.secrets import public_key_of
from heliostat.events.snapshot import difference, has_expressions, snapshot, stored
from heliostat.events.telling import tell


def install() -> None:
    """Wrap `Model.save_base` (once)."""
    if not hasattr(models.Model.save_base, "__wrapped__"):
        models.Model.save_base = _capturing(models.Model.save_base)  # type: ignore[method-assign]


def is_watched(model: type[models.Model]) -> bool:
    """Whether a change of this model is to be told to anybody, now and here."""
    if model.__module__ == "__fake__" or context.is_quiet():  # models of a migration are not the real ones
        return False
    return registry.matcher.asked_of(model)


def _capturing(save_base: Any) -> Any:
    @wraps(save_base)
    def capturing_save_base(
        self: models.Model,
        raw: bool = False,
        force_insert: bool = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Any = None,
    ) -> None:
        if raw or not is_watched(type(self)):
            save_base(self, raw, force_insert, force_update, using, update_fields)
            return
        alias = using or router.db_for_write(type(self), instance=self)
        _save_and_tell(self, alias, lambda: save_base(self, raw, force_insert, force_update, alias, update_fields))

    return capturing_save_base


def _save_and_tell(instance: models.Model, using: str, save: Any) -> None:
    was_new, old_pk = instance._state.adding, instance.pk
    try:
        with transaction.atomic(using=using, savepoint=_can_be_refused(type(instance))):
            before = _before(instance, using)
            computed = has_expressions(instance)  # Django 6 forgets them where a database gives no row back
            save()
            tell_change(instance, before, using, computed)
    except BaseException:
        _restore(instance, was_new, old_pk)
        raise


def _can_be_refused(model: type[models.Model]) -> bool:
    """A refusal undoes this change alone, so that its caller can go on: that needs a savepoint."""
    return registry.matcher.can_be_refused(model)


def _before(instance: models.Model, using: str) -> dict[str, Any] | None:
    """The row before the change. An object that never was saved, and whose key is made for it, has none."""
    if instance.pk is None:
        return None
    if instance._state.adding and instance._meta.pk is not None and instance._meta.pk.has_default():
        return None
    return stored(type(instance), instance.pk, using)


def _restore(instance: models.Model, was_new: bool, old_pk: Any) -> None:
    """The change was undone: an object that was new is new again."""
    if was_new and not instance._state.adding:
        instance._state.adding = True
        instance.pk = old_pk


def tell_change(instance: models.Model, before: Mapping[str, Any] | None, using: str, computed: bool = False) -> None:
    """Tell that an object was created (there was nothing before) or updated.

    `computed` says that the database worked out a value of its own, which the object may not know.
    """
    after = snapshot(instance)
    if computed or has_expressions(instance):
        after = stored(type(instance), instance.pk, using) or after
    action = "created" if before is None else "updated"
    happened(make(action, instance, using, snapshot=after, changes=difference(before or NOTHING, after)), using)


def make(action: str, instance: models.Model, using: str, **facts: Any) -> Event:
    """An event of an object, with who did it and in which request."""
    resource = resource_of(type(instance))
    facts.setdefault("snapshot", NOTHING)
    return Event(
        resource=resource,
        action=action,
        object_id=public_key_of(instance),
        instance=instance,
        using=using,
        actor=context.current_actor(),
        request=context.current_request(),
        depth=context.current_depth(f"{resource}.{action}"),
        **facts,
    )


def happened(event: Event, using: str) -> None:
    """Tell an event now, or at the end of the batch that is open."""
    if (batch := current_batch(using)) is not None:
        batch.add(event)
    else:
        tell([event], using)
