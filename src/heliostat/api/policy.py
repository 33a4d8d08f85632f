"""Who may see what, and be told of what.

Users see their own hooks and what those were told; staff see all, the site's hooks (which have no user) too. A hook
tells its owner what objects hold, so users may hook only what they may view. The setting `HELIOSTAT_MAY_HOOK` names the
function that says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Protocol

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.db.models import Model, QuerySet
from django.utils.module_loading import import_string

from heliostat.conf import conf
from heliostat.events.matching import can_be_told
from heliostat.events.resources import model_of, resource_of
from heliostat.objects import find_object
from heliostat.webhooks.exceptions import InvalidModelError, InvalidPayloadError, InvalidSignalError
from heliostat.webhooks.lookup import models_on
from heliostat.webhooks.models import Hook, Signal
from heliostat.webhooks.patterns import DJANGO_SIGNALS, WILD, custom_signals, is_allowed
from heliostat.webhooks.templates import names_in

WHERE = "GET event-types/ lists what you may be told of."
NO_SUCH_MODEL = f"There is no such model that you may hook. {WHERE}"  # whether it exists or not


class Policy(Protocol):
    """Whether a user who is not staff may be told of objects of a model; of one of them, where its key is given."""

    def __call__(self, user: Any, model: type[Model], object_id: str) -> bool: ...


def may_view(user: Any, model: type[Model], object_id: str) -> bool:
    """The default: who has Django's permission to view the model, or this one object where a backend knows objects."""
    permission = f"{model._meta.app_label}.view_{model._meta.model_name}"
    if user.has_perm(permission):
        return True
    one = find_object(model._default_manager.all(), object_id) if object_id else None
    return one is not None and bool(user.has_perm(permission, one))


def may_hook(user: Any, model: type[Model], object_id: str = "") -> bool:
    """Whether this user may be told of such objects, or of this one."""
    return bool(user.is_staff or _policy(conf.may_hook)(user, model, object_id))


@cache
def _policy(path: str) -> Policy:
    found: Policy = import_string(path)
    return found


def visible_hooks(user: Any) -> QuerySet[Hook]:
    """The hooks that this user may see and change."""
    return Hook.objects.all() if user.is_staff else Hook.objects.filter(user=user)


def has_room(user: Any) -> bool:
    """Whether this user may have one more hook. Asked in a transaction: his requests wait for each other."""
    if user.is_staff:
        return True
    get_user_model()._base_manager.select_for_update().get(pk=user.pk)
    return visible_hooks(user).count() < conf.hooks_per_user


def hookable_models(user: Any) -> list[type[Model]]:
    """The models that this user may hook, by name."""
    known = {resource_of(model): model for model in apps.get_models() if not model._meta.proxy}
    offered = (model for _, model in sorted(known.items()) if can_be_told(model) and is_allowed(model))
    return [model for model in offered if may_hook(user, model)]


def offered_signals() -> list[str]:
    """The custom signals that hooks may name here. Others would have a request import code."""
    rows = Signal.objects.exclude(name__in=DJANGO_SIGNALS).values_list("name", flat=True)
    return sorted({*rows, *conf.signals})


def check_offered(signals: list[str]) -> None:
    """Raises `InvalidSignalError` where one of these is not offered."""
    offered = offered_signals()
    for path in custom_signals(signals):
        if path not in offered:
            raise InvalidSignalError(f"“{path}” is no signal that hooks are offered here. {WHERE}")


def check_may_hook(user: Any, hook: Hook) -> None:
    """Raises a `ValidationError` where the hook would tell this user what is not for him to know."""
    if user.is_staff:
        return
    model = hook.model.model_class() if hook.model else None
    if hook.model and (model is None or not may_hook(user, model, hook.object_id)):
        raise InvalidModelError(NO_SUCH_MODEL)
    told = list(_models_told(user, hook))
    if hook.payload_template:
        _check_template(user, hook, told)


def _models_told(user: Any, hook: Hook) -> Iterator[type[Model]]:
    for pattern in hook.patterns:
        resource = pattern.rpartition(".")[0]
        model = None if WILD.search(resource) else model_of(resource)
        if model is None or not may_hook(user, model, hook.object_id):
            raise InvalidSignalError(f"You may not be told of “{pattern}”. {WHERE}")
        yield model


def _check_template(user: Any, hook: Hook, told: list[type[Model]]) -> None:
    """What a template reaches over relations is told, too."""
    for path in names_in(hook.payload_template, hook.content_type):
        for model in {reached for start in told for reached in models_on(path, start)}:
            if model is None or not may_hook(user, model):
                name = ".".join(path)
                raise InvalidPayloadError(f"{{{{{name}}}}} tells of an object that you may not be told of. {WHERE}")


def check_policy(**_: object) -> list[CheckMessage]:
    """System check: `HELIOSTAT_MAY_HOOK` leads to a function."""
    try:
        found = import_string(conf.may_hook)
    except Exception as error:  # whatever the module raises while it is imported
        problem = f"cannot be imported: {error}"
    else:
        if callable(found):
            return []
        problem = "is no function"
    hint = "Give the dotted path of a function (user, model, object_id) that says True or False."
    return [Error(f"HELIOSTAT_MAY_HOOK {conf.may_hook!r} {problem}.", hint=hint, id="heliostat.E040")]
