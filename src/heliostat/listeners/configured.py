"""The setting `EVENT_LISTENERS`: from sections of settings to subscribers.

EVENT_LISTENERS = {
    "send_email": {
        "use": "heliostat.listeners.email",       # a module with load_from_config(config, prefix), a class, a function
        "actions": ["create"],                     # default: create, update, delete; or declared ones
        "resources": ["targets.target"],           # default: all; a bare name such as "target" is enough
        "where": {"status": "COMPLETED"},          # conditions; default: none
        "when": "after_commit",                    # or in_transaction, durable
        "recipients": ["observers@example.org"],   # the listener's own settings
    },
}
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps

from heliostat.events.event import Event, Phase
from heliostat.events.types import READ, REMEDY, WILD, actions_of, problem_of, resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.base import KINTO_ACTIONS, OUR_ACTIONS, ListenerEvent
from heliostat.listeners.config import ROOT, Config, Registry, aslist, truth
from heliostat.listeners.loading import include, load
from heliostat.listeners.sections import Section, Sections, read_sections
from heliostat.listeners.where import Where, is_condition, where_of
from heliostat.suggestions import ALIKE, did_you_mean, suggestion

LISTENER = "listener"
READS = frozenset([READ])
"""Actions that only listeners may name."""
OPTIONS = ("use", "actions", "resources", "where", "when", "ordered")


@dataclass(frozen=True, slots=True)
class Configured:
    """A subscriber of `EVENT_LISTENERS` with its event types, each with a condition, and its phase.

    `listener` is what `load_from_config` returned: a callable; or an object with the attribute `subscriber_kind`, the
    name of a `SubscriberKind` whose transport delivers to it. That is always durable, and it is not called; a method
    `render(event)` of its own returns what is sent, in place of the event's body.
    """

    name: str
    listener: Any
    events: Mapping[str, Where]
    phase: Phase
    registry: Registry
    kind: str = LISTENER
    ordered: bool = False

    @property
    def subscriber(self) -> str:
        return f"{self.kind}:{self.name}"

    def notify(self, event: Event) -> None:
        self.listener(ListenerEvent([event], self.registry))

    def body(self, event: Event) -> str:
        return str(self.listener.render(ListenerEvent([event], self.registry)))

    def notify_group(self, events: Sequence[Event]) -> None:
        self.listener(ListenerEvent(events, self.registry))


def configured() -> Iterator[Configured | ConfigurationError]:
    """Build all subscribers of `EVENT_LISTENERS`; yield errors in place of what cannot be built."""
    try:
        found = read_sections()
    except ConfigurationError as error:
        yield error
        return
    config = config_of(found)
    try:
        include(config)
    except ConfigurationError as error:
        yield ConfigurationError(f"EVENT_LISTENERS: {error}")
    for section in found.sections:
        try:
            yield _configure(section, config)
        except ConfigurationError as error:
            yield ConfigurationError(f"{section.where}: {error}")


def config_of(found: Sections) -> Config:
    """Return the settings as a listener of Cliquet or Kinto looks for them."""
    named = {ROOT: " ".join(section.name for section in found.sections)}
    own = {f"{section.prefix}{key}": value for section in found.sections for key, value in section.options.items()}
    return Config({**found.others, **named, **own})


def _configure(section: Section, config: Config) -> Configured:
    if section.problem:
        raise ConfigurationError(section.problem)
    options = section.options
    own = {key: value for key, value in options.items() if key not in OPTIONS and not is_condition(key)}
    listener = load(section, own, config)
    kind = getattr(listener, "subscriber_kind", LISTENER)
    phase = _phase(options, kind)
    ordered = _ordered(options, phase)
    actions = [OUR_ACTIONS.get(action, action) for action in _words(options, "actions", list(OUR_ACTIONS))]
    resources = [_resource(word) for word in _words(options, "resources", ["*"])]
    _check_can_happen(actions, resources, phase == Phase.DURABLE)
    events: dict[str, Where] = {}
    for resource in resources:
        patterns = [f"{resource}.{action}" for action in actions]
        events |= dict.fromkeys(patterns, where_of(options, patterns))
    return Configured(section.name, listener, events, phase, config.registry, kind, ordered)


def _phase(options: Mapping[str, Any], kind: str) -> Phase:
    phase = options.get("when", Phase.AFTER_COMMIT if kind == LISTENER else Phase.DURABLE)
    if phase not in tuple(Phase):
        raise ConfigurationError(f"`when` is {phase!r}; it can be {', '.join(Phase)}.")
    if kind != LISTENER and phase != Phase.DURABLE:
        raise ConfigurationError(f"`when` is {phase!r}; a {kind} is always durable: leave `when` out.")
    return Phase(phase)


def _ordered(options: Mapping[str, Any], phase: Phase) -> bool:
    try:
        ordered = truth(options.get("ordered", False))
    except ValueError as error:
        raise ConfigurationError(f"`ordered`: {error}.") from error
    if ordered and phase is not Phase.DURABLE:
        raise ConfigurationError(f"`ordered` is for durable subscribers; this one has `when` {phase!s}.")
    return ordered


def likely_mistakes() -> Iterator[str]:
    """Yield a sentence for each setting of no listener, and each option that is nearly one that all listeners have.

    Other options are the listener's own, so that no one of them is wrong for certain.
    """
    found = read_sections()
    yield from found.warnings
    for section in found.sections:
        for key in section.options:
            near = difflib.get_close_matches(str(key), OPTIONS, n=1, cutoff=ALIKE)
            if near and key not in OPTIONS and near[0] not in section.options and not is_condition(key):
                yield f"{section.where} has {key!r}.{suggestion(near)}"


def _words(options: Mapping[str, Any], key: str, default: list[str]) -> list[str]:
    value = options.get(key, default)
    if not isinstance(value, (str, list, tuple, set, frozenset)):
        raise ConfigurationError(f"`{key}` is {value!r}, not a list.")
    words = aslist(value)
    if not words:
        raise ConfigurationError(f"`{key}` is empty, so nothing would be published to it; leave it out.")
    return words


def _check_can_happen(actions: list[str], resources: list[str], is_durable: bool) -> None:
    """Raises `ConfigurationError` for an action that happens to none of the resources, or a resource without any."""
    problems = {
        (one, action): problem_of(f"{one}.{action}", is_durable=is_durable, more_actions=READS & {action})
        for one in resources
        for action in actions
    }
    for action in actions:
        found = [problems[resource, action] for resource in resources]
        if all(found):
            raise ConfigurationError(f"{_of_action(action, found[0])}")
    for resource in resources:
        found = [problems[resource, action] for action in actions]
        if all(found):
            raise ConfigurationError(f"{found[0]}")


def _of_action(action: str, problem: str | None) -> str:
    """Return the problem in the words of a listener's configuration."""
    word = KINTO_ACTIONS.get(action, action)
    if action in KINTO_ACTIONS or word == READ:
        return str(problem)
    known = dict.fromkeys(KINTO_ACTIONS.get(one, one) for one in actions_of("*"))
    return f"there is no action {word!r}.{did_you_mean(word, known)} {REMEDY}"


def _resource(word: str) -> str:
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
        raise ConfigurationError(f"{word!r} can be {' or '.join(named)}; give the whole name.")
    words = known | {resource.rpartition(".")[2] for resource in known}
    raise ConfigurationError(f"there is no resource {word!r}.{did_you_mean(word, words)}")
