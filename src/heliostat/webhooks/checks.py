"""System checks: deliverers and a policy that exist, models that may be hooked, saved hooks that match events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.db import DatabaseError, transaction
from django.utils.module_loading import import_string

from heliostat.conf import conf, did_you_mean
from heliostat.events.types import declared_types, is_observable, resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.moved import did_you_mean_path
from heliostat.webhooks.databases import hooks_database
from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer, class_of, deliverer_at
from heliostat.webhooks.event_patterns import check_signals
from heliostat.webhooks.exceptions import InvalidSignalError
from heliostat.webhooks.models import Hook

SHOWN = 20
HINT = "docs/deliverers.md lists the ready ones, and shows how to write one."


def check_deliverers(**_: object) -> list[CheckMessage]:
    """`HOOK_COLLECTION_DELIVERER` and `HOOK_ELEMENT_DELIVERER` lead to deliverers."""
    chosen = ((conf.collection_deliverer, HooksDeliverer), (conf.element_deliverer, HookDeliverer))
    messages: list[CheckMessage] = []
    for path, base in chosen:
        try:
            owner = class_of(deliverer_at(path, base))
        except ConfigurationError as error:
            messages.append(Error(str(error), hint=HINT, id="heliostat.E060"))
        else:
            if owner is not None and (problem := owner.problem()):
                messages.append(Warning(f"{path}: {problem}.", hint=HINT, id="heliostat.W060"))
    return messages


def check_allowed_models(**_: object) -> list[CheckMessage]:
    """`HOOK_ALLOWED_MODELS` names models that there are."""
    allowed = getattr(settings, "HOOK_ALLOWED_MODELS", None)
    if allowed is None:
        return []
    if isinstance(allowed, str) or not isinstance(allowed, Collection):
        hint = "Write HOOK_ALLOWED_MODELS = ['app.Model', …]."
        return [Error(f"HOOK_ALLOWED_MODELS is {allowed!r}, not a list.", hint=hint, id="heliostat.E061")]
    known = {name for model in apps.get_models() for name in (model._meta.label_lower, resource_of(model))}
    return [
        Error(
            f"HOOK_ALLOWED_MODELS: there is no model {name!r}.{did_you_mean(str(name).lower(), known)}",
            hint="Name models as app.Model.",
            id="heliostat.E061",
        )
        for name in allowed
        if str(name).lower() not in known
    ]


def check_policy(**_: object) -> list[CheckMessage]:
    """`HELIOSTAT_MAY_HOOK` leads to a function."""
    try:
        found = import_string(conf.may_hook)
    except Exception as error:  # whatever the module raises while it is imported
        problem = f"cannot be imported: {error}.{did_you_mean_path(conf.may_hook)}"
    else:
        if callable(found):
            return []
        problem = "is no function."
    hint = "Give the dotted path of a function (user, model, object_id) that says True or False."
    return [Error(f"HELIOSTAT_MAY_HOOK {conf.may_hook!r} {problem}", hint=hint, id="heliostat.E040")]


def check_saved_hooks(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Hooks that were saved once and can be notified of nothing now: an event type is no longer declared, or silenced.

    Asks the database, and so runs with `check --database default` and with `migrate`.
    """
    alias = hooks_database()
    if alias not in (databases or ()):
        return []
    try:
        with transaction.atomic(using=alias):  # before the first migration there is no such table
            rows = list(_mistaken_hooks(alias))
    except DatabaseError:
        return []
    hint = "Correct the hook's signals, or declare the event type; until then the hook stays as it is."
    messages: list[CheckMessage] = [
        Warning(f"hook {hook.pk} ({hook}): {problem}", hint=hint, id="heliostat.W061") for hook, problem in rows[:SHOWN]
    ]
    if (more := len(rows) - SHOWN) > 0:
        messages.append(Warning(f"{more} more hooks name what is never published.", hint=hint, id="heliostat.W061"))
    return messages


def _mistaken_hooks(alias: str) -> Iterator[tuple[Hook, str]]:
    known: dict[tuple[int | None, str], str | None] = {}
    hooks = Hook.objects.using(alias).filter(enabled=True, ended=False)
    for hook in hooks.only("pk", "name", "target_url", "model", "signals").order_by("pk").iterator():
        asked = (hook.model_id, repr(hook.signals))
        if asked not in known:
            known[asked] = _problem_of(hook)
        if problem := known[asked]:
            yield hook, problem


def _problem_of(hook: Hook) -> str | None:
    try:
        check_signals(hook.signals, hook.model)
    except InvalidSignalError as error:
        return str(error.message)
    return _why_only_from_outside(hook)


def _why_only_from_outside(hook: Hook) -> str | None:
    """Django is silent about such a model; it is no mistake where another program's event types are declared."""
    model = hook.model.model_class() if hook.model else None
    if (
        model is None
        or is_observable(model)
        or any(name.startswith(f"{resource_of(model)}.") for name in declared_types())
    ):
        return None
    return (
        f"{model.__name__} has heliostat_silent = True, so that only events which other programs write reach the hook; "
        "declare their event types"
    )
