"""The setting `EVENT_LISTENERS`: from configuration to listeners.

EVENT_LISTENERS = {
    "send_email": {
        "use": "heliostat.listeners.email",       # a module with load_from_config(config, prefix)
        "actions": ["create"],                     # default: create, update, delete; or declared ones
        "resources": ["targets.target"],           # default: all; a bare name such as "target" is enough
        "when": "after_commit",                    # or in_transaction, durable
        "recipients": ["observers@example.org"],   # the listener's own settings
    },
}
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.apps import apps
from django.conf import settings

from heliostat.conf import ALIKE, did_you_mean, suggestion
from heliostat.events.event import Event, Phase
from heliostat.events.types import READ, REMEDY, WILD, actions_of, problem_of, resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.base import KINTO_ACTIONS, OUR_ACTIONS, ListenerEvent
from heliostat.moved import did_you_mean_path, hint_for

ROOT = "event_listeners"
LISTENER = "listener"
OPTIONS = ("use", "actions", "resources", "when", "ordered")
TRUE, FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0", "")


def aslist(value: Any) -> list[str]:
    """Return a list as it is, and split a text at white space and commas."""
    return value.replace(",", " ").split() if isinstance(value, str) else [str(item) for item in value]


class Config:
    """The argument of `load_from_config`: the settings of all listeners, under their full names."""

    def __init__(self, listeners: Mapping[str, Mapping[str, Any]]) -> None:
        self._settings = {
            f"{ROOT}.{name}.{key}": value for name, options in listeners.items() for key, value in options.items()
        }

    def get_settings(self) -> dict[str, Any]:
        return dict(self._settings)


def asbool(value: Any) -> bool:
    """Return a truth value as it is, and read a text (`true`, `yes`, `on`, `1` and their opposites).

    Raise `ValueError` for anything else.
    """
    word = str(value).strip().lower()
    if word not in (*TRUE, *FALSE):
        raise ValueError(f"{value!r} is neither true nor false")
    return word in TRUE


@dataclass(frozen=True, slots=True)
class Configured:
    """A subscriber of `EVENT_LISTENERS` with its events and its phase.

    `listener` is what `load_from_config` returned: a callable; or an object with the attribute `subscriber_kind`, the
    name of a `SubscriberKind` whose transport delivers to it. That is always durable, and it is not called.
    """

    name: str
    listener: Any
    patterns: tuple[str, ...]
    phase: Phase
    kind: str = LISTENER
    ordered: bool = False

    @property
    def subscriber(self) -> str:
        return f"{self.kind}:{self.name}"

    def notify(self, event: Event) -> None:
        self.listener(ListenerEvent(event))


def configured() -> Iterator[Configured | ConfigurationError]:
    """Return all listeners of `EVENT_LISTENERS`; errors in place of what cannot be built."""
    listeners = getattr(settings, "EVENT_LISTENERS", {})
    if not isinstance(listeners, dict) or not all(isinstance(options, dict) for options in listeners.values()):
        yield ConfigurationError("EVENT_LISTENERS must be a dict of dicts: {name: {'use': module, …}}.")
        return
    config = Config(listeners)
    for name, options in listeners.items():
        try:
            yield _configure(name, options, config)
        except ConfigurationError as error:
            yield error


def _configure(name: str, options: Mapping[str, Any], config: Config) -> Configured:
    where = f"EVENT_LISTENERS[{name!r}]"
    listener = _load(name, options, config, where)
    kind = getattr(listener, "subscriber_kind", LISTENER)
    phase = _phase(options, kind, where)
    ordered = _ordered(options, phase, where)
    actions = [OUR_ACTIONS.get(action, action) for action in _words(options, "actions", list(OUR_ACTIONS), where)]
    resources = [_resource(word, where) for word in _words(options, "resources", ["*"], where)]
    _check_can_happen(actions, resources, phase == Phase.DURABLE, where)
    patterns = tuple(f"{resource}.{action}" for resource in resources for action in actions)
    return Configured(name, listener, patterns, phase, kind, ordered)


def _phase(options: Mapping[str, Any], kind: str, where: str) -> Phase:
    phase = options.get("when", Phase.AFTER_COMMIT if kind == LISTENER else Phase.DURABLE)
    if phase not in tuple(Phase):
        raise ConfigurationError(f"{where}: `when` is {phase!r}; it can be {', '.join(Phase)}.")
    if kind != LISTENER and phase != Phase.DURABLE:
        raise ConfigurationError(f"{where}: `when` is {phase!r}; a {kind} is always durable: leave `when` out.")
    return Phase(phase)


def _ordered(options: Mapping[str, Any], phase: Phase, where: str) -> bool:
    try:
        ordered = asbool(options.get("ordered", False))
    except ValueError as error:
        raise ConfigurationError(f"{where}: `ordered`: {error}.") from error
    if ordered and phase is not Phase.DURABLE:
        raise ConfigurationError(f"{where}: `ordered` is for durable subscribers; this one has `when` {phase!s}.")
    return ordered


def mistyped_options() -> Iterator[str]:
    """Yield a sentence for each option of a listener that is nearly one that all listeners have.

    Other options are the listener's own, so that no one of them is wrong for certain.
    """
    for name, options in getattr(settings, "EVENT_LISTENERS", {}).items():
        for key in options:
            near = difflib.get_close_matches(str(key), OPTIONS, n=1, cutoff=ALIKE)
            if near and key not in OPTIONS and near[0] not in options:
                yield f"EVENT_LISTENERS[{name!r}] has {key!r}.{suggestion(near)}"


def _words(options: Mapping[str, Any], key: str, default: list[str], where: str) -> list[str]:
    value = options.get(key, default)
    if not isinstance(value, (str, list, tuple, set, frozenset)):
        raise ConfigurationError(f"{where}: `{key}` is {value!r}, not a list.")
    words = aslist(value)
    if not words:
        raise ConfigurationError(f"{where}: `{key}` is empty, so nothing would be published to it; leave it out.")
    return words


def _check_can_happen(actions: list[str], resources: list[str], is_durable: bool, where: str) -> None:
    """Raises `ConfigurationError` for an action that happens to none of the resources, or a resource without any."""
    problems = {
        (one, action): problem_of(f"{one}.{action}", is_durable=is_durable) for one in resources for action in actions
    }
    for action in actions:
        found = [problems[resource, action] for resource in resources]
        if all(found):
            raise ConfigurationError(f"{where}: {_of_action(action, found[0])}")
    for resource in resources:
        found = [problems[resource, action] for action in actions]
        if all(found):
            raise ConfigurationError(f"{where}: {found[0]}")


def _of_action(action: str, problem: str | None) -> str:
    """Return the problem in the words of a listener's configuration."""
    word = KINTO_ACTIONS.get(action, action)
    if action in KINTO_ACTIONS or word == READ:
        return str(problem)
    known = dict.fromkeys(KINTO_ACTIONS.get(one, one) for one in actions_of("*"))
    return f"there is no action {word!r}.{did_you_mean(word, known)} {REMEDY}"


def _load(name: str, options: Mapping[str, Any], config: Config, where: str) -> Any:
    if not isinstance(use := options.get("use"), str):
        raise ConfigurationError(f"{where} has no `use`; give the path of a module with load_from_config().")
    try:
        load = import_module(use).load_from_config
        listener = load(config, f"{ROOT}.{name}.")
    except AttributeError as error:
        raise ConfigurationError(f"{where}: {use!r} has no load_from_config(config, prefix): {error}") from error
    except KeyError as error:
        raise ConfigurationError(f"{where}: the setting {error} is missing.") from error
    except Exception as error:  # whatever the module raises
        hint = hint_for(use, error) or did_you_mean_path(use).strip()
        text = f"{where}: {use!r} cannot be loaded: {type(error).__name__}: {error}. {hint}"
        raise ConfigurationError(text.rstrip()) from error
    if not callable(listener) and not hasattr(listener, "subscriber_kind"):
        raise ConfigurationError(f"{where}: {use}.load_from_config() gave {listener!r}, which cannot be called.")
    return listener


def _resource(word: str, where: str) -> str:
    """`targets.target` for that and for a bare `target`; raises `ConfigurationError` where there is none."""
    if WILD.search(word):
        return word
    known = {resource_of(model) for model in apps.get_models()}
    if word in known:
        return word
    named = sorted(resource for resource in known if resource.endswith(f".{word}"))
    if len(named) == 1:
        return named[0]
    if named:
        raise ConfigurationError(f"{where}: {word!r} can be {' or '.join(named)}; give the whole name.")
    words = known | {resource.rpartition(".")[2] for resource in known}
    raise ConfigurationError(f"{where}: there is no resource {word!r}.{did_you_mean(word, words)}")
