"""Names of resources: `app.model`, as events, hooks and listeners use them."""

from __future__ import annotations

from functools import cache

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.db.models import Model

ACTIONS = ("created", "updated", "deleted")


@cache
def resource_of(model: type[Model]) -> str:
    """The resource of a model: its app's `event_namespace` (or label) and its name.

    Events of a proxy are events of its concrete model.
    """
    meta = model._meta.concrete_model._meta if model._meta.concrete_model else model._meta
    return f"{namespace_of(meta.app_label)}.{meta.model_name}"


def namespace_of(app_label: str) -> str:
    config = apps.app_configs.get(app_label)
    return str(getattr(config, "event_namespace", app_label))


@cache
def model_of(resource: str) -> type[Model] | None:
    """The model of a resource, or None where there is none (an event without an object)."""
    for model in apps.get_models():
        if not model._meta.proxy and resource_of(model) == resource:
            return model
    return None


def check_namespaces(**_: object) -> list[CheckMessage]:
    """System check: no two apps share an event namespace."""
    taken: dict[str, str] = {}
    messages: list[CheckMessage] = []
    for label in apps.app_configs:
        other = taken.setdefault(namespace_of(label), label)
        if other != label:
            messages.append(_clash(namespace_of(label), other, label))
    return messages


def _clash(namespace: str, one: str, other: str) -> CheckMessage:
    return Error(
        f"The apps {one!r} and {other!r} both publish their events as {namespace!r}.",
        hint="Give one of them another label, or another `event_namespace` in its AppConfig.",
        id="heliostat.E002",
    )
