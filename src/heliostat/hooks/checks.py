"""System checks: each way to get a code hook wrong has a message, when the project starts."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error

from heliostat.events.event import Phase
from heliostat.events.types import REMEDY, nearest, problem_of
from heliostat.exceptions import ConfigurationError, UnknownHookPoint
from heliostat.hooks.attached import attachments
from heliostat.hooks.decorator import decorated
from heliostat.hooks.points import all_points
from heliostat.outbox.checks import check_durable


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
    """`@on` names event types that can be published."""
    return [
        message
        for subscriber in decorated()
        for pattern in subscriber.patterns
        for message in _of_pattern(f"@on of {subscriber.name}", pattern, "heliostat.E012", subscriber.phase)
    ]


def check_points(**_: object) -> list[CheckMessage]:
    """Return the events that lead to a hook point can be published."""
    return [
        message
        for name, point in all_points().items()
        for pattern in point.events
        for message in _of_pattern(f"hook point {name!r}", pattern, "heliostat.E013", Phase.DURABLE)
    ]


def _of_pattern(where: str, pattern: str, number: str, phase: Phase) -> Iterator[CheckMessage]:
    if problem := problem_of(pattern, is_durable=phase is Phase.DURABLE):
        yield Error(f"{where}: {problem}", hint=nearest(pattern).strip() or REMEDY, id=number)
