"""System checks: deliverers and a policy that exist, and models that may be hooked."""

from __future__ import annotations

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from heliostat.conf import conf, did_you_mean
from heliostat.events.resources import resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer, class_of
from heliostat.webhooks.deliverers.configured import deliverer_at

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
    allowed = getattr(settings, "HOOK_ALLOWED_MODELS", None) or []
    if isinstance(allowed, str):
        hint = f"Write HOOK_ALLOWED_MODELS = [{allowed!r}]."
        return [Error("HOOK_ALLOWED_MODELS is a text, not a list.", hint=hint, id="heliostat.E061")]
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
        problem = f"cannot be imported: {error}"
    else:
        if callable(found):
            return []
        problem = "is no function"
    hint = "Give the dotted path of a function (user, model, object_id) that says True or False."
    return [Error(f"HELIOSTAT_MAY_HOOK {conf.may_hook!r} {problem}.", hint=hint, id="heliostat.E040")]
