"""Event types (`resource.action`, where a resource is `app.model`): which ones can be published, so that a subscriber
who names another one is refused.

Declared are `created`, `updated` and `deleted` of each model, the custom signals of `HELIOSTAT_SIGNALS`, the types of
`HELIOSTAT_EVENT_TYPES` and `register_event_type()`, and what other packages add with `declare_with()` (hook points,
`webhooks.hook.disabled`). To publish an undeclared type works; to subscribe to it by name does not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from itertools import chain

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.db.models import Model

from heliostat.conf import Conf, conf, event_type_problem
from heliostat.exceptions import ConfigurationError
from heliostat.suggestions import closest, did_you_mean, suggestion

ACTIONS = ("created", "updated", "deleted")


@cache
def resource_of(model: type[Model]) -> str:
    """Return the resource of a model: its app's `event_namespace` (or label) and its name.

    Events of a proxy are events of its concrete model.
    """
    meta = model._meta.concrete_model._meta if model._meta.concrete_model else model._meta
    return f"{namespace_of(meta.app_label)}.{meta.model_name}"


def namespace_of(app_label: str) -> str:
    config = apps.app_configs.get(app_label)
    return str(getattr(config, "event_namespace", app_label))


@cache
def model_of(resource: str) -> type[Model] | None:
    """Return the model of a resource, or None where there is none (an event without an object)."""
    return resources().get(resource)


def check_namespaces(**_: object) -> list[CheckMessage]:
    """System check: no two apps share an event namespace."""
    taken: dict[str, str] = {}
    return [
        Error(
            f"The apps {other!r} and {label!r} both publish their events as {namespace_of(label)!r}.",
            hint="Give one of them another label, or another `event_namespace` in its AppConfig.",
            id="heliostat.E002",
        )
        for label in apps.app_configs
        if (other := taken.setdefault(namespace_of(label), label)) != label
    ]


WILD = re.compile(r"[*?[]")
READ = "read"
NO_READS = "reading an object is an event for listeners only. There are created, updated and deleted."
REMEDY = "Declare an event type of your own in HELIOSTAT_EVENT_TYPES or with heliostat.register_event_type()."

Source = Callable[[], Mapping[str, str]]

_registered: dict[str, str] = {}
_sources: list[Source] = []


def register_event_type(event_type: str, *, description: str = "") -> None:
    """Declare an event type of a project, in an `AppConfig.ready()`: `register_event_type("shop.order.paid")`.

    The admin and the REST API show `description`. Raise `ConfigurationError` if this is not an event type.
    """
    if problem := event_type_problem(event_type):
        raise ConfigurationError(f"register_event_type({event_type!r}): it {problem}.")
    _registered[event_type] = description


def declare_with(source: Source) -> None:
    """Add a source of event types; it returns descriptions by type, and is called each time."""
    _sources.append(source)


def declared_types() -> dict[str, str]:
    """Return the descriptions of the event types that are no change of a model, by type, sorted.

    Types of a custom signal that carries an object are not among them: they exist for each model.
    """
    found = _custom_types()
    return {name: found[name] for name in sorted(found) if not is_silent(name)}


def _custom_types() -> dict[str, str]:
    found = dict.fromkeys(conf.signals, "")
    for source in _sources:
        found |= source()
    given = conf.event_types
    if isinstance(given, (list, tuple, set, frozenset, dict)):  # anything else is an error of the system check
        described = given if isinstance(given, dict) else dict.fromkeys(given, "")
        found |= {name: text for name, text in described.items() if event_type_problem(name) is None}
    return found | _registered


def signal_actions() -> set[str]:
    """Return the actions of the signals in `HELIOSTAT_SIGNALS`: the event of any model may have one of them."""
    return {path.rpartition(".")[2] for path in conf.signals}


@lru_cache(maxsize=1)
def _models_by_resource(models: tuple[type[Model], ...]) -> dict[str, type[Model]]:
    return {resource_of(model): model for model in models if not model._meta.proxy}


def resources() -> dict[str, type[Model]]:
    """Return the models of this project by the resource of their events."""
    return _models_by_resource(tuple(apps.get_models()))


def problem_of(
    pattern: str, *, is_durable: bool = False, more_actions: set[str] | frozenset[str] = frozenset()
) -> str | None:
    """Return why a subscriber can never get an event of this type, or of a type that matches this pattern.

    The answer is a sentence that ends with "Did you mean …?" or with the remedy; None means that there can be such
    events. `is_durable`: events that other programs write, of models that Django is silent about, reach the subscriber.
    `more_actions` are actions that any model may have, beside those of `HELIOSTAT_SIGNALS`.
    """
    actions = signal_actions() | more_actions
    if WILD.search(pattern):
        return _problem_of_pattern(pattern, is_durable, actions)
    if not is_declared(pattern, more_actions=actions):
        return _problem_of_unknown(pattern, actions)
    return _why_silent(pattern, is_durable)


def is_declared(event_type: str, *, more_actions: set[str] | frozenset[str] = frozenset()) -> bool:
    """Return whether an event type is declared, be it silenced or not."""
    resource, _, action = event_type.rpartition(".")
    if resource in resources() and (action in ACTIONS or action in signal_actions() | more_actions):
        return True
    return event_type in _custom_types()


def _why_silent(event_type: str, is_durable: bool) -> str | None:
    if is_silent(event_type):
        return f"“{event_type}” is never published: the setting HELIOSTAT_SILENT names it."
    model = resources().get(event_type.rpartition(".")[0])
    if model is not None and getattr(model, "heliostat_silent", False) and not is_durable:
        return f"“{event_type}” is never published: {model.__name__} has heliostat_silent = True."
    return None


def _problem_of_pattern(pattern: str, is_durable: bool, actions: set[str]) -> str | None:
    silent = ""
    for event_type in known_types(actions):
        if fnmatchcase(event_type, pattern):
            if _why_silent(event_type, is_durable) is None:
                return None
            silent = silent or event_type
    if silent:
        return f"“{pattern}” matches only event types that are silenced, such as {silent}."
    if pattern.rpartition(".")[2] == READ:
        return f"“{pattern}” matches nothing: {NO_READS}"
    return f"No event type matches “{pattern}”.{nearest(pattern, actions)} {REMEDY}"


def _problem_of_unknown(event_type: str, actions: set[str]) -> str:
    resource, _, action = event_type.rpartition(".")
    if action == READ and resource in resources():
        return f"“{event_type}” is never published: {NO_READS}"
    near = nearest(event_type, actions) or " A type is app.model.action."
    return f"There is no event type “{event_type}”.{near} {REMEDY}"


def pattern_of(name: str) -> str:
    """Return the pattern that a subscriber's name for events stands for: the path of a custom signal stands for its
    events, which are of the object that it carries."""
    return f"*.{name.rpartition('.')[2]}" if name in conf.signals else name


def nearest(event_type: str, actions: set[str] | frozenset[str] = frozenset()) -> str:
    """Return " Did you mean …?": of the same resource where there is such a resource, else of all types; or nothing."""
    resource, _, action = event_type.rpartition(".")
    own = actions_of(f"{resource}.*", more_actions=actions) if not WILD.search(resource) else []
    if close := closest(action, own):
        return suggestion([f"{resource}.{name}" for name in close])
    if own:
        return f" Its actions are {', '.join(own)}."
    return did_you_mean(event_type, set(known_types(signal_actions() | actions)))


def known_types(actions: set[str] | None = None) -> Iterator[str]:
    """Yield every event type there can be, silenced ones included. `actions` are those of custom signals."""
    actions = signal_actions() if actions is None else actions
    of_models = (f"{resource}.{action}" for resource in resources() for action in (*ACTIONS, *sorted(actions)))
    return chain(of_models, _custom_types())


def actions_of(pattern: str, *, more_actions: set[str] | frozenset[str] = frozenset()) -> list[str]:
    """Return the actions of the event types that match a pattern (`example.vehicle.*`), silenced ones left out."""
    known = known_types(signal_actions() | more_actions)
    matched = (name for name in known if fnmatchcase(name, pattern) and not is_silent(name))
    return list(dict.fromkeys(name.rpartition(".")[2] for name in matched))


@cache
def lineage(model: type[Model]) -> tuple[type[Model], ...]:
    """Return the concrete model of an object and its parents, whose subscribers get its events; none for tables between
    many-to-many relations and for the models of a migration."""
    meta = model._meta
    if meta.auto_created or model.__module__ == "__fake__" or meta.concrete_model is None:
        return ()
    parents = (parent for parent in meta.concrete_model._meta.all_parents if not parent._meta.proxy)
    return (meta.concrete_model, *parents)


def is_read(event_type: str) -> bool:
    """Return whether such events say that an object was read: of these, only subscribers that name them are notified.

    A project may declare events of its own with this word, which are as all others.
    """
    resource, _, action = event_type.rpartition(".")
    return action == READ and resource in resources() and event_type not in _custom_types()


def types_of(model: type[Model]) -> tuple[str, ...]:
    """Return the types of the events of a model's creation, change and deletion."""
    return tuple(f"{resource_of(model)}.{action}" for action in ACTIONS)


def is_observable(model: type[Model]) -> bool:
    """Return whether such objects may have events: models with `heliostat_silent = True` are working material.

    Models that are not the project's (historical ones of a migration, the table of applied migrations) never have any.
    """
    is_of_project = model._meta.apps is apps
    return is_of_project and not (getattr(model, "heliostat_silent", False) or is_silenced(model))


def is_silenced(model: type[Model]) -> bool:
    """Return whether HELIOSTAT_SILENT names all that happens to such objects."""
    return all(map(is_silent, types_of(model)))


def is_silent(event_type: str) -> bool:
    """Return whether HELIOSTAT_SILENT names such events."""
    return any(fnmatchcase(event_type, pattern) for pattern in conf.silent)


def check_silent(**_: object) -> list[CheckMessage]:
    """System check: each pattern in HELIOSTAT_SILENT that is not one of the default matches an event type."""
    known = set(known_types())
    near = known | {f"{resource}.*" for resource in resources()} | {f"{name.partition('.')[0]}.*" for name in known}
    return [
        Warning(
            f"HELIOSTAT_SILENT: no event type matches {pattern!r}.{did_you_mean(pattern, near)}",
            hint="Patterns are of whole event types, such as shop.order.* or *.created.",
            id="heliostat.W002",
        )
        for pattern in conf.silent
        if pattern not in Conf.silent.default and not any(fnmatchcase(name, pattern) for name in known)
    ]
