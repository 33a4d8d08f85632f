"""What is attached where: the setting `HOOKS` and the functions decorated with `@on`, as subscriptions."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from heliostat.delivery.python import PythonKind
from heliostat.events.event import Event, Phase
from heliostat.events.filters import Condition, guarded
from heliostat.events.subscriptions import Subscription
from heliostat.events.transactions import own_savepoint
from heliostat.events.types import pattern_of
from heliostat.exceptions import ConfigurationError
from heliostat.functions import check_runs
from heliostat.hooks.decorator import Decorated, decorated
from heliostat.hooks.points import RESOURCE, HookPoint, all_points, point_named
from heliostat.hooks.run import live_arguments
from heliostat.moved import did_you_mean_path, hint_for

logger = logging.getLogger("heliostat.hooks")


@dataclass(frozen=True, slots=True)
class Attachment:
    """One function at one hook point."""

    point: HookPoint
    path: str
    function: Callable[..., Any]
    phase: Phase

    @property
    def name(self) -> str:
        return f"code:{self.point.name}:{self.path}"

    def notify(self, event: Event) -> None:
        if event.resource == RESOURCE:
            self.function(**live_arguments(event))
        else:
            assert self.point.arguments is not None
            self.function(*self.point.arguments(event))


def attachments() -> Iterator[Attachment | ConfigurationError]:
    """All that `HOOKS` attaches, and the defaults of the points that it does not name; errors in place of what cannot
    be attached."""
    hooks = getattr(settings, "HOOKS", {})
    if not isinstance(hooks, dict):
        yield ConfigurationError("HOOKS must be a dict of hook points and paths of functions.")
        hooks = {}
    for name, entries in hooks.items():
        for entry in entries if isinstance(entries, (list, tuple)) else [entries]:
            yield from _attached(name, entry)
    for name, point in all_points().items():
        if name not in hooks and point.default:
            yield from _attached(name, point.default)


def _attached(name: Any, entry: Any) -> Iterator[Attachment | ConfigurationError]:
    if entry is None:  # the hook point is switched off
        return
    try:
        yield _attach(point_named(str(name)), entry)
    except ConfigurationError as error:
        yield error


def _attach(point: HookPoint, entry: Any) -> Attachment:
    where = f"HOOKS[{point.name!r}]"
    call, when = _call_and_when(entry, where)
    function = call if callable(call) else _function_at(call, where)
    _check_signature(point, function, where)
    check_runs(function, f"{where}: {function.__qualname__}")
    path = call if isinstance(call, str) else f"{function.__module__}.{function.__qualname__}"
    return Attachment(point, path, function, phase_named(when, where))


def _call_and_when(entry: Any, where: str) -> tuple[Any, str]:
    if not isinstance(entry, dict):
        return entry, Phase.AFTER_COMMIT
    if extra := entry.keys() - {"call", "when"}:
        raise ConfigurationError(f"{where} has {sorted(extra)}; a dict there has `call` and `when`.")
    if "call" not in entry:
        raise ConfigurationError(f"{where} has no `call`; give the path of a function.")
    return entry["call"], entry.get("when", Phase.AFTER_COMMIT)


def phase_named(when: str, where: str) -> Phase:
    try:
        return Phase(when)
    except ValueError:
        raise ConfigurationError(f"{where}: `when` is {when!r}; it can be {', '.join(Phase)}.") from None


def _function_at(path: Any, where: str) -> Callable[..., Any]:
    if not isinstance(path, str):
        raise ConfigurationError(f"{where} is {path!r}; give the dotted path of a function.")
    try:
        function = import_string(path)
    except ImportError as error:
        hint = hint_for(path, error) or did_you_mean_path(path).strip()
        raise ConfigurationError(f"{where}: {path!r} cannot be imported: {error}. {hint}".rstrip()) from error
    except Exception as error:  # whatever the module does when it is imported
        raise ConfigurationError(f"{where}: importing {path!r} raised {type(error).__name__}: {error}") from error
    if not callable(function):
        raise ConfigurationError(f"{where}: {path!r} is a {type(function).__name__}, not a function.")
    return function  # type: ignore[no-any-return]


def _check_signature(point: HookPoint, function: Callable[..., Any], where: str) -> None:
    try:
        inspect.signature(function).bind(*point.signature.parameters)
    except TypeError as error:
        wanted = f"{point.name}{point.signature}"
        raise ConfigurationError(f"{where}: {function.__qualname__} does not fit {wanted}: {error}") from error
    except ValueError:
        return  # a built-in without a signature


def subscriptions() -> Iterator[Subscription]:
    """Return the source of subscriptions for the matcher. What is wrong is logged; the system checks say it too."""
    for attached in attachments():
        if isinstance(attached, ConfigurationError):
            logger.error("a code hook is not attached. %s", attached)
        else:
            point = attached.point
            condition = guarded(_in_savepoint(point.wants), attached.name) if point.condition else None
            for pattern in point.patterns:
                yield Subscription(
                    name=attached.name,
                    pattern=pattern,
                    phase=attached.phase,
                    handler=attached.notify,
                    condition=condition,
                )
    for subscriber in decorated():
        for pattern in dict.fromkeys(map(pattern_of, subscriber.patterns)):
            yield Subscription(
                name=subscriber.name,
                pattern=pattern,
                phase=subscriber.phase,
                handler=subscriber.function,
                condition=_guarded(subscriber),
            )


def _guarded(subscriber: Decorated) -> Condition | None:
    condition = subscriber.condition
    return guarded(_in_savepoint(condition), subscriber.name) if condition else None


def _in_savepoint(condition: Condition) -> Condition:
    """A condition of the project's own: it may query, and must not break the transaction of the host's save."""

    def holds(event: Event) -> bool:
        with own_savepoint():
            return condition(event)

    return holds


class CodeKind(PythonKind):
    """Durable code hooks."""

    name = "code"

    def function(self, subscriber: str) -> Callable[[Event], Any] | None:
        for attached in attachments():
            if isinstance(attached, Attachment) and attached.name == subscriber:
                return attached.notify
        return next((partial(one.function) for one in decorated() if one.name == subscriber), None)
