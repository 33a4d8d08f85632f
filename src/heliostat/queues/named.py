"""Queues that hooks may name: the setting `HELIOSTAT_QUEUES`.

HELIOSTAT_QUEUES = {
    "pipeline": {                                # a hook's target is then queue:pipeline
        "use": "heliostat.queues.redis",
        "url": "redis://127.0.0.1:6379/0",
        "stream": "pipeline",
        "allow": "staff",                        # default: superusers
    },
}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from django.core.checks import CheckMessage, Error
from django.core.signals import setting_changed

from heliostat.conf import conf
from heliostat.exceptions import ConfigurationError, HeliostatError
from heliostat.listeners.configured import OPTIONS
from heliostat.listeners.sections import FROM_FILE, content_of
from heliostat.moved import did_you_mean_path
from heliostat.queues.base import Queue, text_of
from heliostat.suggestions import did_you_mean

SCHEME = "queue:"
PREFIX = "queues."

Rule = Callable[[Any], bool]
RULES: Mapping[str, Rule] = {
    "superusers": lambda _: False,  # they may use each queue anyhow
    "staff": lambda user: bool(getattr(user, "is_staff", False)),
    "everybody": lambda _: True,
}
GROUP = "group:"
PERMISSION = "permission:"
ALLOWED = f"{', '.join(RULES)}, {GROUP}NAME or {PERMISSION}app.codename"


class NamedQueue(NamedTuple):
    """A queue of `HELIOSTAT_QUEUES`, and who may use it."""

    name: str
    queue: Queue
    rules: tuple[Rule, ...]

    def may_use(self, user: Any) -> bool:
        """Return whether a user may have hooks that are published here. Superusers may; nobody inactive may."""
        if not getattr(user, "is_active", True):
            return False
        return bool(getattr(user, "is_superuser", False)) or any(rule(user) for rule in self.rules)


class NoSuchQueue(HeliostatError):
    """`HELIOSTAT_QUEUES` has no queue with this name, or it is not valid."""


def named_queue(target: str) -> NamedQueue:
    """Return the queue of a target (`queue:NAME`). Raise `NoSuchQueue` where there is none that works."""
    name = target.removeprefix(SCHEME)
    if name not in conf.queues:
        raise NoSuchQueue(f"There is no queue {name!r} in HELIOSTAT_QUEUES.{did_you_mean(name, conf.queues)}")
    found = _all()[name]
    if isinstance(found, ConfigurationError):
        raise NoSuchQueue(f"The queue {name!r} cannot be used: {found}")
    return found


def is_queue(target: str) -> bool:
    """Return whether a target names a queue."""
    return target.startswith(SCHEME)


def queues_of(user: Any) -> list[str]:
    """Return the names of the queues that a user may use."""
    return [one.name for one in _all().values() if isinstance(one, NamedQueue) and one.may_use(user)]


@cache
def _all() -> dict[str, NamedQueue | ConfigurationError]:
    made: dict[str, NamedQueue | ConfigurationError] = {}
    for name, options in conf.queues.items():
        try:
            made[name] = _made(name, options)
        except ConfigurationError as error:
            made[name] = error
    return made


def _forget(**_: object) -> None:
    """Read the setting again (a test changed it)."""
    _all.cache_clear()


setting_changed.connect(_forget)


class _Config:
    """The argument of `load_from_config`."""

    def __init__(self, name: str, options: Mapping[str, Any]) -> None:
        own = {key: value for key, value in options.items() if key != "allow"}
        for key in [key for key in own if key.endswith(FROM_FILE)]:
            own[key.removesuffix(FROM_FILE)] = content_of(key, own.pop(key))
        self._settings = {f"{PREFIX}{name}.{key}": value for key, value in own.items()}

    def get_settings(self) -> dict[str, Any]:
        return dict(self._settings)


def _made(name: str, options: Mapping[str, Any]) -> NamedQueue:
    where = f"HELIOSTAT_QUEUES[{name!r}]"
    if not isinstance(use := options.get("use"), str):
        raise ConfigurationError(f"{where} has no `use`; give the path of a module, such as 'heliostat.queues.redis'.")
    if of_listeners := [key for key in options if key in OPTIONS and key != "use"]:
        names = ", ".join(f"`{key}`" for key in of_listeners)
        raise ConfigurationError(f"{where}: {names} is for EVENT_LISTENERS. Here, each hook says what is published.")
    try:
        queue = import_module(use).load_from_config(_Config(name, options), f"{PREFIX}{name}.")
    except ConfigurationError as error:
        raise ConfigurationError(f"{where}: {error}") from error
    except (ImportError, AttributeError) as error:
        hint = did_you_mean_path(use)
        raise ConfigurationError(f"{where}: {use!r} cannot be loaded: {text_of(error)}.{hint}") from error
    if not isinstance(queue, Queue):
        raise ConfigurationError(f"{where}: {use!r} is no queue.")
    return NamedQueue(name, queue, _rules(options.get("allow", "superusers"), where))


def _rules(allow: Any, where: str) -> tuple[Rule, ...]:
    words = [allow] if isinstance(allow, str) else allow
    if not isinstance(words, (list, tuple, set, frozenset)) or not all(isinstance(word, str) for word in words):
        raise ConfigurationError(f"{where}: `allow` must be {ALLOWED}, or a list of these; not {allow!r}.")
    return tuple(_rule(word, where) for word in words)


def _rule(word: str, where: str) -> Rule:
    if word.startswith(GROUP):
        return lambda user: bool(user.groups.filter(name=word.removeprefix(GROUP)).exists())
    if word.startswith(PERMISSION) and "." in word:
        return lambda user: bool(user.has_perm(word.removeprefix(PERMISSION)))
    if word not in RULES:
        raise ConfigurationError(f"{where}: `allow` is {word!r}; it can be {ALLOWED}.{did_you_mean(word, RULES)}")
    return RULES[word]


def check_queues(**_: object) -> list[CheckMessage]:
    """System check: each queue of `HELIOSTAT_QUEUES` can be built."""
    hint = "HELIOSTAT_QUEUES = {name: {'use': 'heliostat.queues.redis', 'url': …, 'stream': …, 'allow': …}}"
    errors = [one for one in _all().values() if isinstance(one, ConfigurationError)]
    return [Error(str(error), hint=hint, id="heliostat.E021") for error in errors]
