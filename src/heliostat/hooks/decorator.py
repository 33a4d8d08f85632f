"""`@on`: a function that subscribes to events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from heliostat.events.event import Event, Phase
from heliostat.events.matching import registry
from heliostat.exceptions import ConfigurationError
from heliostat.functions import check_runs

F = TypeVar("F", bound=Callable[[Event], Any])

SOURCE = "hooks"


@dataclass(frozen=True, slots=True)
class Decorated:
    """A function with the events that it subscribes to."""

    name: str
    patterns: tuple[str, ...]
    phase: Phase
    function: Callable[[Event], Any]
    condition: Callable[[Event], bool] | None


_decorated: dict[str, Decorated] = {}


def on(
    *events: str, when: str = Phase.AFTER_COMMIT, condition: Callable[[Event], bool] | None = None
) -> Callable[[F], F]:
    """Call this function for these events: `@on("targets.target.created", when="durable")`.

    `events` are event types, which may contain `*`. `when` is `in_transaction` (at once; an exception rolls the change
    back), `after_commit` (in this process, right after the commit) or `durable` (in a worker, with retries). If
    `condition` is given, only events for which it returns true. Raise `ConfigurationError` for anything else.
    """
    if not events or not all(isinstance(event, str) and "." in event for event in events):
        raise ConfigurationError(f"on{events!r}: give event types such as 'targets.target.created'.")
    if when not in tuple(Phase):
        raise ConfigurationError(f"on({events[0]!r}, when={when!r}): `when` can be {', '.join(Phase)}.")

    def decorate(function: F) -> F:
        name = f"code:{function.__module__}.{function.__qualname__}"
        check_runs(function, f"on({events[0]!r}): {function.__qualname__}")
        if name in _decorated:  # decorated twice: for other events, or in another phase
            name = f"{name}@{events[0]}"
        _decorated[name] = Decorated(name, events, Phase(when), function, condition)
        registry.refresh(SOURCE)
        return function

    return decorate


def decorated() -> tuple[Decorated, ...]:
    return tuple(_decorated.values())


def detach(function: Callable[[Event], Any]) -> None:
    """Do not call this function any more (for tests)."""
    for name in [name for name, one in _decorated.items() if one.function is function]:
        del _decorated[name]
    registry.refresh(SOURCE)
