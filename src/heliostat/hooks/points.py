"""Hook points: named places in an application where code hooks may be attached.

A hook point is declared as a function: its name, its signature and its docstring are what hooks are held against.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from heliostat.events.event import Event
from heliostat.exceptions import ConfigurationError, UnknownHookPoint
from heliostat.suggestions import did_you_mean

F = TypeVar("F", bound=Callable[..., Any])

RESOURCE = "hook_point"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPoint:
    """`events` are the types that lead here by themselves; `arguments` makes a hook's arguments of such an event."""

    name: str
    signature: inspect.Signature
    doc: str
    events: tuple[str, ...] = ()
    arguments: Callable[[Event], Sequence[Any]] | None = None
    condition: Callable[[Event], bool] | None = None
    default: str | None = None

    @property
    def patterns(self) -> tuple[str, ...]:
        """Return the events that lead here, and what `run_hook` passes on."""
        return (*self.events, f"{RESOURCE}.{self.name}")

    def wants(self, event: Event) -> bool:
        return event.resource == RESOURCE or self.condition is None or self.condition(event)


_points: dict[str, HookPoint] = {}


@overload
def hook_point(declaration: F) -> F: ...
@overload
def hook_point(
    *,
    events: Sequence[str] = (),
    arguments: Callable[[Event], Sequence[Any]] | None = None,
    condition: Callable[[Event], bool] | None = None,
    default: str | None = None,
) -> Callable[[F], F]: ...
def hook_point(
    declaration: Callable[..., Any] | None = None,
    *,
    events: Sequence[str] = (),
    arguments: Callable[[Event], Sequence[Any]] | None = None,
    condition: Callable[[Event], bool] | None = None,
    default: str | None = None,
) -> Any:
    """Declare a hook point: `@hook_point def my_point(target, score): \"\"\"Runs when …\"\"\"`.

    Run it with `run_hook("my_point", target, score)`, or give `events` that run it. `default` is the path of the
    function that runs if `HOOKS` names none. Declare it in a module that is imported at start, for example in
    `hook_points.py` or `hooks.py` of an app.
    """

    def declare(function: F) -> F:
        if bool(events) != bool(arguments):
            raise ConfigurationError(f"hook point {function.__name__}: `events` and `arguments` go together.")
        _points[function.__name__] = HookPoint(
            name=function.__name__,
            signature=inspect.signature(function),
            doc=inspect.getdoc(function) or "",
            events=tuple(events),
            arguments=arguments,
            condition=condition,
            default=default,
        )
        return function

    return declare(declaration) if declaration is not None else declare


def point_named(name: str) -> HookPoint:
    """Return the hook point of this name; raises `UnknownHookPoint` that suggests the nearest."""
    try:
        return _points[name]
    except KeyError:
        message = f"There is no hook point {name!r}.{did_you_mean(name, _points)}"
        raise UnknownHookPoint(message) from None


def all_points() -> dict[str, HookPoint]:
    return dict(_points)


def event_types() -> dict[str, str]:
    """Return the event types of all hook points: what `run_hook` publishes, with the first line of each docstring."""
    return {f"{RESOURCE}.{name}": point.doc.partition("\n")[0] for name, point in _points.items()}
