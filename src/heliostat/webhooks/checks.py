"""System checks: deliverers and a policy that exist, models that may be hooked, saved hooks that match events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.checks import CheckMessage, Error, Warning
from django.db import DatabaseError, router, transaction
from django.db.models import Model
from django.utils.module_loading import import_string

from heliostat.conf import conf
from heliostat.events.types import declared_types, is_observable, resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.moved import did_you_mean_path
from heliostat.outbox.checks import may_have_outbox, router_errors
from heliostat.suggestions import did_you_mean
from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer, class_of, deliverer_at
from heliostat.webhooks.event_patterns import check_signals
from heliostat.webhooks.exceptions import InvalidSignalError
from heliostat.webhooks.models import Hook, hooks_database

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


def check_hooks_database(**_: object) -> list[CheckMessage]:
    """Report hooks that are kept apart from users and content types, which they refer to, or from an outbox."""
    if errors := router_errors(Hook):
        return errors
    alias = hooks_database()
    if not may_have_outbox(alias):
        text = f"The routers send hooks to the database {alias!r}, which has no outbox."
        hint = "Let allow_migrate() accept the app 'heliostat_outbox' there, or route 'heliostat_webhooks' elsewhere."
        return [Error(text, hint=hint, id="heliostat.E062")]
    beside: tuple[tuple[type[Model], bool], ...] = (
        (get_user_model(), router.db_for_write(get_user_model()) == alias),
        (ContentType, router.allow_migrate_model(alias, ContentType)),  # each database has its own rows
    )
    return [
        Error(
            f"The routers send hooks to the database {alias!r}, and {model._meta.label} to {other!r}: "
            "hooks refer to it by a foreign key, which cannot lead to another database.",
            hint=f"Route the app 'heliostat_webhooks' to the database {other!r}, too.",
            id="heliostat.E063",
        )
        for model, is_beside in beside
        if not is_beside and (other := router.db_for_write(model))
    ]


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
        subscribed = (hook.model_id, repr(hook.signals))
        if subscribed not in known:
            known[subscribed] = _problem_of(hook)
        if problem := known[subscribed]:
            yield hook, problem


def _problem_of(hook: Hook) -> str | None:
    try:
        check_signals(hook.signals, hook.model)
    except InvalidSignalError as error:
        return str(error.message)
    model = hook.model.model_class() if hook.model else None
    if model is None or is_observable(model):
        return None
    if any(name.startswith(f"{resource_of(model)}.") for name in declared_types()):
        return None  # the events of another program, which are declared
    return (
        f"{model.__name__} has heliostat_silent = True, so that only events which other programs write reach the hook; "
        "declare their event types"
    )
