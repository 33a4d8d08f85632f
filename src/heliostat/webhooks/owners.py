"""Whether the owner of a hook may be notified of what it subscribes to.

That is checked when a person makes or changes the hook, and again, cached for seconds, before each delivery.

`HELIOSTAT_MAY_HOOK` names the function that decides about models and objects. A hook without an owner is the site's,
and so is one that code makes without `enforce_permissions=True`: no permission is checked. An inactive owner stops any
hook.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from contextlib import suppress
from contextvars import ContextVar
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.signals import setting_changed
from django.db import Error as DatabaseError
from django.db.models import Model, QuerySet

from heliostat.events.event import Event as HappenedEvent
from heliostat.events.snapshot import as_written
from heliostat.events.transactions import own_savepoint
from heliostat.events.types import WILD, is_observable, model_of, resource_of
from heliostat.objects import find_object
from heliostat.outbox.models import Event
from heliostat.permissions import by_object, has_permission
from heliostat.queues.named import SCHEME, NoSuchQueue, is_queue, named_queue, queues_of
from heliostat.suggestions import did_you_mean
from heliostat.webhooks import permissions
from heliostat.webhooks.event_patterns import may_match
from heliostat.webhooks.exceptions import InvalidModelError, InvalidPayloadError, InvalidSignalError, InvalidTargetError
from heliostat.webhooks.models import Hook
from heliostat.webhooks.template_context import models_on
from heliostat.webhooks.templates import names_in

logger = logging.getLogger("heliostat.webhooks")

DECIDE = frozenset(
    {"user", "model", "object_id", "signals", "filters", "payload_template", "serializer_class", "target_url"}
)
"""The fields of a hook that decide which events it receives, and where they are sent."""
LOCKED = (DECIDE - {"user"}) | {"headers", "http_method", "content_type"}
"""The fields that stay as they are while the owner may not be notified."""

WHERE = "GET event-types/ lists what you may ask for."
NO_SUCH_MODEL = f"There is no such model that you may hook. {WHERE}"  # whether it exists or not
INACTIVE = "the owner of the hook is inactive"
NOT_ALLOWED = "the owner of the hook has no permission to view what it subscribes to"
NOT_ITS_QUEUE = "the owner of the hook may not use its queue"
NOT_VISIBLE = "the owner of the hook may not view this object any more"
NOT_KNOWN = "HELIOSTAT_MAY_HOOK failed for the owner of the hook; the log says why"


def may_view(user: Any, model: type[Model], object_id: str) -> bool:
    """Return whether a user may view a model, or one object of it, by Django's permissions: the default policy.

    Users need no permission for a whole model with `heliostat_object_permissions = True`: each of its events is sent to
    those who may view the object.
    """
    if has_permission(user, "view", model) or (not object_id and by_object(model)):
        return True
    one = find_object(model._default_manager.all(), object_id) if object_id else None
    return one is not None and has_permission(user, "view", model, one)


_answers: ContextVar[tuple[UUID | None, dict[Any, bool]]] = ContextVar("heliostat_may_view", default=(None, {}))
"""Who may view the object of one event, by the keys of users."""


def may_be_notified_of(hook: Hook, event: HappenedEvent) -> bool:
    """Return whether the owner of a hook may view the object of an event, where its model says so: now, in the
    transaction of the change. Where a backend fails, which is logged, it is asked again before the callback is sent."""
    model = model_of(event.resource)
    if model is None or not by_object(model):
        return True
    asked_of, answers = _answers.get()
    if asked_of != event.id:
        _answers.set((event.id, answers := {}))
    if hook.user_id in answers:
        return answers[hook.user_id]
    try:
        with own_savepoint():
            instance = as_written(event.instance, event.snapshot) if isinstance(event.instance, Model) else None
            answers[hook.user_id] = permissions.may_be_sent(hook.user_id, model, instance, is_new=True)
    except Exception:  # whatever a project's own function raises
        logger.exception(
            "hook %s: asking about the permission of its owner failed at %s %s (event %s)",
            hook.pk,
            event.type,
            event.object_id,
            event.id,
        )
        answers[hook.user_id] = True
    return answers[hook.user_id]


def why_not_sent(hook: Hook, resource: str, object_id: str, using: str) -> str:
    """Return why a callback may not be sent any more, though its hook may be notified: its owner may no longer view the
    object. Empty where they may, and where the object is gone: then its owner's right was asked when it was deleted.

    Asks the database.
    """
    model = model_of(resource)
    if model is None or not by_object(model):
        return ""
    try:
        instance = find_object(QuerySet(model, using=using), object_id)
        may = instance is None or permissions.may_be_sent(hook.user_id, model, instance, is_new=True)
    except DatabaseError:
        raise
    except Exception:  # whatever a project's own function raises
        logger.exception("hook %s: asking about the permission of its owner failed, the callback is retried", hook.pk)
        return NOT_KNOWN
    return "" if may else NOT_VISIBLE


def is_asked_by_object(hook: Hook) -> bool:
    """Return whether the permission on each object decides about events of this hook."""
    if not hook.enforce_permissions:
        return False
    models = {model for pattern in hook.patterns for model in _models_of(pattern)}
    return any(model is not None and by_object(model) for model in models)


def may_hook(user: Any, model: type[Model], object_id: str = "") -> bool:
    """Return whether an active user may receive events of a model, or of the one with this key."""
    if not getattr(user, "is_active", True):
        return False
    return bool(getattr(user, "is_superuser", False) or permissions.policy()(user, model, object_id))


def check_may_hook(user: Any, hook: Hook) -> None:
    """Raise a `ValidationError` where the hook would send this user what they may not view.

    Checks each model that the hook is on, that its event types can match, and that its template reads over
    relations. Events of no model need the permission to view events. Checks the queue that the hook names, too.
    """
    if getattr(user, "is_superuser", False):
        return
    if is_queue(hook.target_url):
        _check_may_use(user, hook.target_url)
    model = hook.model.model_class() if hook.model else None
    if hook.model and (model is None or not _may_match(user, model, hook)):
        raise InvalidModelError(NO_SUCH_MODEL)
    models: list[type[Model]] = []
    for pattern in hook.patterns:
        found = _models_of(pattern)
        if not all(_may_match(user, one, hook) for one in found):
            raise InvalidSignalError(f"You may not be notified of “{pattern}”. {WHERE}")
        models += [one for one in found if one is not None]
    if hook.payload_template:
        _check_template(user, hook, models)


def _check_may_use(user: Any, target: str) -> None:
    """Raise `InvalidTargetError` where a user may not use a queue, or there is none: they need not know which."""
    with suppress(NoSuchQueue):
        if named_queue(target).may_use(user):
            return
    name = target.removeprefix(SCHEME)
    raise InvalidTargetError(f"There is no queue {name!r} that you may use.{did_you_mean(name, queues_of(user))}")


@lru_cache(maxsize=1000)  # thousands of hooks share a few event types
def _models_of(pattern: str) -> tuple[type[Model] | None, ...]:
    """Return the models whose events an event type can match; None for events that are of no model.

    A `*` goes over dots: `shop.*` matches the events of each model of `shop`.
    """
    resource = pattern.rpartition(".")[0]
    named = None if WILD.search(resource) else model_of(resource)
    others = (
        model
        for model in (apps.get_models() if WILD.search(pattern) else ())
        if model is not named and not model._meta.proxy and is_observable(model)
    )
    return (named, *(model for model in others if may_match(pattern, resource_of(model))))


def forget(**_: object) -> None:
    """Read the settings again (a test changed one)."""
    _models_of.cache_clear()


setting_changed.connect(forget)


def _may_match(user: Any, model: type[Model] | None, hook: Hook) -> bool:
    if model is None:
        return has_permission(user, "view", Event)
    if hook.viewer_at_end and hook.viewer_at_end == _viewer(user.pk, model, hook.object_id):
        return True
    return may_hook(user, model, hook.object_id)


def viewer_at_end(hook: Hook, instance: Any) -> str:
    """Return what `Hook.viewer_at_end` holds from now on, when the object of the hook is deleted: the owner, where a
    permission on this object alone lets them view it; empty otherwise.

    When its last callbacks are sent, the object is gone. Checks the permission on the object as it was, in
    the transaction of the deletion. Raises nothing.
    """
    model = hook.model.model_class() if hook.model else None
    if model is None or hook.user_id is None or not hook.enforce_permissions:
        return ""
    try:
        with own_savepoint():
            if permissions.may_be_sent(hook.user_id, model) or not permissions.may_be_sent(
                hook.user_id, model, instance
            ):
                return ""
    except Exception:  # whatever a project's own function raises
        logger.exception(
            "hook %s: asking about the permission of its owner failed, nothing more is sent to it", hook.pk
        )
        return ""
    return _viewer(hook.user_id, model, hook.object_id)


def _viewer(user_id: Any, model: type[Model], object_id: str) -> str:
    """Return a user and an object, so that no other owner and no other object has the same permission."""
    return json.dumps([str(user_id), model._meta.label_lower, object_id])


def _check_template(user: Any, hook: Hook, models: list[type[Model]]) -> None:
    """A template also sends what it reaches over relations."""
    for path in names_in(hook.payload_template, hook.content_type):
        for model in {reached for start in models for reached in models_on(path, start)}:
            if model is None or not may_hook(user, model):
                name = ".".join(path)
                raise InvalidPayloadError(f"{{{{{name}}}}} holds data of an object that you may not view. {WHERE}")


def check_change(editor: Any, hook: Hook, changed: Collection[str], before: Hook | None = None) -> None:
    """Check that a person may make or change a hook. `before` is the hook as it was, None that of a new one.

    While its owner may not be notified, what a hook sends and where stays as it is, until a user who may change the
    hook gives it to another owner: raise `PermissionDenied`. Raise a `ValidationError` where a person changes who is
    notified of what, and may not view that themselves, or what it was on: callbacks of this wait for an address.
    """
    if before is not None and "user" not in changed:
        reason = "" if LOCKED.isdisjoint(changed) else why_stopped(before, enforced=True)
        if reason:
            raise PermissionDenied(f"This cannot be changed while {reason}; give the hook another owner first.")
    if DECIDE.isdisjoint(changed):
        return
    if before is not None:
        check_may_hook(editor, before)
    check_may_hook(editor, hook)


def may_be_notified(hook: Hook, user: Any, event_type: str, object_id: str) -> bool:
    """Return whether the owner of a hook may view an event that it was once sent.

    `why_stopped` answers for the events that it is on now; it may have been on something else before. Where the
    permission on each object decides, it is asked for this one: of an object that is gone nobody knows any more.
    """
    if not hook.enforce_permissions:
        return True
    model = model_of(event_type.rpartition(".")[0])
    is_its_object = object_id == hook.object_id
    if model is not None and by_object(model):
        if not object_id:  # any object of the model
            return permissions.may_be_sent(user.pk, model)
    elif (is_its_object or not hook.object_id) and any(fnmatchcase(event_type, one) for one in hook.patterns):
        return True
    try:
        at_end = hook.viewer_at_end if is_its_object else ""
        check_may_hook(user, Hook(signals=[event_type], object_id=object_id, viewer_at_end=at_end))
    except ValidationError:
        return False
    return True


def why_stopped(hook: Hook, *, enforced: bool | None = None) -> str:
    """Return why nothing may be sent to a hook because of its owner; empty where it may.

    Asks the database. `enforced` stands in for `hook.enforce_permissions`: what a person changes is enforced from then.
    """
    if hook.user_id is None:
        return ""
    user = hook.user
    if not getattr(user, "is_active", True):
        return INACTIVE
    if not (hook.enforce_permissions if enforced is None else enforced):
        return ""
    try:
        check_may_hook(user, hook)
    except ValidationError as error:
        return NOT_ITS_QUEUE if isinstance(error, InvalidTargetError) else NOT_ALLOWED
    except DatabaseError:
        raise
    except Exception:  # whatever a project's own function raises
        logger.exception("HELIOSTAT_MAY_HOOK failed for hook %s, its callbacks are retried", hook.pk)
        return NOT_KNOWN
    return ""
