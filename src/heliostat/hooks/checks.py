"""System checks: each way to get a code hook wrong has a message, when the project starts."""

from __future__ import annotations

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning

from heliostat.conf import did_you_mean
from heliostat.events.event import Phase
from heliostat.events.resources import namespace_of, resource_of
from heliostat.exceptions import ConfigurationError, UnknownHookPoint
from heliostat.hooks.attached import attachments
from heliostat.hooks.decorator import decorated
from heliostat.hooks.points import all_points
from heliostat.outbox.database_checks import check_durable


def check_hooks(**_: object) -> list[CheckMessage]:
    """`HOOKS` can be attached as it is written."""
    return [_message(error) for error in attachments() if isinstance(error, ConfigurationError)]


def _message(error: ConfigurationError) -> CheckMessage:
    if isinstance(error, UnknownHookPoint):
        hint = f"HOOKS may name {', '.join(sorted(all_points()))}; declare one of your own with hook_point."
        return Error(f"HOOKS: {error}", hint=hint, id="heliostat.E010")
    hint = "HOOKS takes a path, a list of paths, or {'call': path, 'when': phase}."
    return Error(str(error), hint=hint, id="heliostat.E011")


def check_databases(**_: object) -> list[CheckMessage]:
    """Durable functions subscribe to models whose database has an outbox."""
    return check_durable((one.name, one.patterns) for one in decorated() if one.phase is Phase.DURABLE)


def check_decorated(**_: object) -> list[CheckMessage]:
    """`@on` names resources that exist."""
    resources = {resource_of(model) for model in apps.get_models()}
    namespaces = {namespace_of(label) for label in apps.app_configs}
    messages: list[CheckMessage] = []
    for subscriber in decorated():
        for pattern in subscriber.patterns:
            resource = pattern.rpartition(".")[0]
            if "*" in resource or resource in resources:
                continue
            hint = did_you_mean(resource, resources).strip() or "A type is app.model.action."
            text = f"{subscriber.name}: there is no resource {resource!r} in {pattern!r}."
            if resource.partition(".")[0] in namespaces:
                messages.append(Error(text, hint=hint, id="heliostat.E012"))
            elif hint.startswith("Did"):  # an event of the project's own may be named as it likes
                messages.append(Warning(text, hint=hint, id="heliostat.W012"))
    return messages
