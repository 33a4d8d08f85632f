"""Who may see, change and make hooks and see deliveries: owners their own, others with Django's permissions.

An object of another user that may not be viewed is not found (404); one that may only be viewed is refused (403).
`heliostat.webhooks.owners` says who may receive which events.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import CharField, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.http import Http404
from rest_framework.exceptions import PermissionDenied

from heliostat.conf import conf
from heliostat.events.types import declared_types, model_of
from heliostat.outbox.models import Callback
from heliostat.permissions import by_object, has_permission, permitted
from heliostat.webhooks.event_patterns import DJANGO_SIGNALS, check_allowed, custom_signals
from heliostat.webhooks.exceptions import InvalidSignalError
from heliostat.webhooks.models import Hook, Signal, hook_of
from heliostat.webhooks.operations import PING
from heliostat.webhooks.owners import (
    WHERE,
    check_may_hook,
    may_be_notified,
    why_stopped,
)

MOST_OBJECTS = 1000  # whose permissions are asked for one request


def owns(user: Any, hook: Hook) -> bool:
    """Return whether it is this user's own hook."""
    return hook.user_id is not None and hook.user_id == user.pk


def may(user: Any, action: str, hook: Hook) -> bool:
    """Return whether a user may `view`, `change` or `delete` a hook: their own, or with the permission."""
    return owns(user, hook) or permitted(user, action, Hook, hook)


def check_may(user: Any, action: str, hook: Hook) -> None:
    """Raise `Http404` where a user may not see a hook, and `PermissionDenied` where they may only see it."""
    if not may(user, "view", hook):
        raise Http404
    if not may(user, action, hook):
        raise PermissionDenied


def visible_hooks(user: Any) -> QuerySet[Hook]:
    """Return the hooks that a list shows this user: all, with the permission to view or change hooks, or their own."""
    return Hook.objects.all() if permitted(user, "view", Hook) else own_hooks(user)


def with_subscribers(hooks: QuerySet[Hook], using: str) -> QuerySet[Any] | list[str]:
    """Return hooks with their names as `subscriber_name`; the names alone, where `using` is another database."""
    named = hooks.order_by().annotate(subscriber_name=Concat(Value("hook:"), Cast("pk", CharField())))
    return named if hooks.db == using else list(named.values_list("subscriber_name", flat=True))


def own_hooks(user: Any) -> QuerySet[Hook]:
    """Return the hooks that this user owns."""
    return Hook.objects.filter(user=user)


def may_set_owner(user: Any, hook: Hook | None) -> bool:
    """Return whether a user may say whose this hook is, or a new hook (None)."""
    if hook is not None:
        return has_permission(user, "change", Hook, hook)
    return all(has_permission(user, action, Hook) for action in ("add", "change"))


def check_deliveries(user: Any, action: str, callbacks: Iterable[Callback]) -> None:
    """Raise `Http404` where a user may not see all of these callbacks, `PermissionDenied` where they may only see them.

    Those of their own hooks they may see and send again; of others', the permission on callbacks says so.
    """
    if permitted(user, action, Callback):
        return
    found = list(callbacks)
    wanted = {hook_of(one.subscriber) for one in found}
    own = {f"hook:{pk}" for pk in own_hooks(user).filter(pk__in=wanted).values_list("pk", flat=True)}
    if not all(one.subscriber in own or permitted(user, "view", Callback, one) for one in found):
        raise Http404
    if action == "view":
        return
    for one in found:
        is_own = one.subscriber in own
        if not (may_be_sent_again(user, one) if is_own else has_permission(user, action, Callback, one)):
            raise PermissionDenied


def may_read_body(user: Any, callback: Callback) -> bool:
    """Return whether a user may read the body of a callback, and the response, which may repeat it.

    The owner of the hook may only while they may be notified of it. What was made while they could not, nobody sent;
    and the hook may have been another's, or on something else.
    """
    if permitted(user, "view", Callback, callback):
        return True
    hook = _hook_of(callback)
    return hook is None or (
        not why_stopped(hook) and _may_be_notified(user, hook, callback.event.type, callback.event.object_id)
    )


def may_be_sent_again(user: Any, callback: Callback) -> bool:
    """Return whether the owner of a hook may have a callback of it sent again."""
    hook = _hook_of(callback)
    return hook is None or _may_be_notified(user, hook, callback.event.type, callback.event.object_id)


def check_resend_all(user: Any, hook: Hook, callbacks: QuerySet[Callback]) -> None:
    """Raise `PermissionDenied` where some of these callbacks of the user's own hook are of what they may not view."""
    if permitted(user, "change", Callback) or not hook.enforce_permissions:
        return
    rows = callbacks.order_by()
    types = rows.values_list("event__resource", "event__action").distinct()
    for resource, action in types:
        model = model_of(resource)
        objects: list[str | None] = [hook.object_id]
        if model is not None and by_object(model):
            of_type = rows.filter(event__resource=resource, event__action=action)
            objects = list(of_type.values_list("event__object_id", flat=True).distinct()[: MOST_OBJECTS + 1])
        if len(objects) > MOST_OBJECTS:
            raise PermissionDenied(f"These are of more than {MOST_OBJECTS} objects. Choose fewer.")
        if not all(_may_be_notified(user, hook, f"{resource}.{action}", one) for one in objects):
            raise PermissionDenied("Some of these are of what you may not view. Choose single ones.")


def _hook_of(callback: Callback) -> Hook | None:
    return Hook.objects.select_related("user", "model").filter(pk=hook_of(callback.subscriber)).first()


def _may_be_notified(user: Any, hook: Hook, event_type: str, object_id: str | None) -> bool:
    return event_type == PING or may_be_notified(hook, user, event_type, object_id or "")


def may_add_hook(user: Any) -> bool:
    """Return whether this user may have one more hook. Asked in a transaction: their requests wait for each other."""
    if may_set_owner(user, None):
        return True
    get_user_model()._base_manager.select_for_update().get(pk=user.pk)
    return own_hooks(user).count() < conf.hooks_per_user


def offered_signals() -> list[str]:
    """Return the custom signals that hooks may name here. Others would have a request import code."""
    rows = Signal.objects.exclude(name__in=DJANGO_SIGNALS).values_list("name", flat=True)
    return sorted({*rows, *conf.signals})


def offered_types(user: Any) -> dict[str, str]:
    """Return the descriptions of the declared event types that a hook of this user may name, by type."""
    found: dict[str, str] = {}
    for name, text in declared_types().items():
        with suppress(ValidationError):
            check_allowed((name,))
            check_may_hook(user, Hook(user=user, signals=[name]))
            found[name] = text
    return found


def check_offered(signals: list[str]) -> None:
    """Raise `InvalidSignalError` where one of these is not offered."""
    offered = offered_signals()
    for path in custom_signals(signals):
        if path not in offered:
            raise InvalidSignalError(f"“{path}” is no signal that hooks are offered here. {WHERE}")
