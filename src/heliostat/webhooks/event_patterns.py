"""The event types of a hook: its model and its signals as patterns, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model

from heliostat.conf import conf
from heliostat.events.keys import canonical_key
from heliostat.events.secrets import has_secret_key
from heliostat.events.types import (
    ACTIONS,
    READ,
    REMEDY,
    WILD,
    actions_of,
    is_declared,
    is_observable,
    is_silenced,
    problem_of,
    resource_of,
    resources,
)
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.checks import unkept
from heliostat.suggestions import closest, suggestion
from heliostat.webhooks.exceptions import InvalidModelError, InvalidObjectError, InvalidSignalError
from heliostat.webhooks.import_guard import leads_to_signal, signal_in_row

MOST_SIGNALS = 100
LONGEST_KEY = 255  # so long is the column of hooks
SIGNAL = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,255}")
NO_OUTBOX = "No hook is notified of {name}: the database {alias} has no outbox. `manage.py check` says what to do."
M2M_CHANGED = "django.db.models.signals.m2m_changed"
# What is sent before a change stands for it too: had it an event of its own, a change that then fails would be a ghost.
DJANGO_SIGNALS = {
    "django.db.models.signals.post_save": ("created", "updated"),
    "django.db.models.signals.post_delete": ("deleted",),
    "django.db.models.signals.pre_save": ("created", "updated"),
    "django.db.models.signals.pre_delete": ("deleted",),
    M2M_CHANGED: ("updated",),
}


def patterns_of(signals: list[str], model: ContentType | None) -> tuple[str, ...]:
    """Return the event types that signals of a model stand for; no signals stand for all its events."""
    if not signals:
        return (f"{_resource(model)}.*",) if model else ()
    found: dict[str, None] = {}
    for signal in signals:
        found.update(dict.fromkeys(_patterns_of_one(signal, model)))
    return tuple(found)


def of_relations_alone(signals: list[str]) -> bool:
    """Return whether a hook subscribes to changes of many-to-many relations, and to no other changes."""
    return bool(signals) and all(signal == M2M_CHANGED for signal in signals)


def custom_signals(signals: list[str]) -> list[str]:
    """Return the paths of the custom signals that these signals stand for: by path, or by action."""
    paths = [signal for signal in signals if signal not in DJANGO_SIGNALS and is_path(signal)]
    named = {signal.rpartition(".")[2] for signal in signals if signal not in DJANGO_SIGNALS and signal not in paths}
    if named := {name for name in named if name not in ACTIONS and not WILD.search(name)}:
        paths += [path for path in _rows_of_signals() if path.rpartition(".")[2] in named]
    return list(dict.fromkeys(paths))


def _rows_of_signals() -> list[str]:
    rows = apps.get_model("heliostat_webhooks", "Signal")._default_manager
    return [path for path in rows.values_list("name", flat=True) if path not in DJANGO_SIGNALS]


def is_path(signal: str) -> bool:
    """Return whether this names a signal, rather than an event type. Imports nothing."""
    if ".signals." in signal or signal in conf.signals:
        return True
    resource, _, _ = signal.rpartition(".")
    if not resource or WILD.search(signal) or resource in resources():
        return False
    return leads_to_signal(signal)


def _patterns_of_one(signal: str, model: ContentType | None) -> list[str]:
    if signal in DJANGO_SIGNALS:
        return [f"{_resource(model)}.{action}" for action in DJANGO_SIGNALS[signal]]
    if not is_path(signal):
        return [signal] if "." in signal else [f"{_resource(model)}.{signal}"]
    action = signal.rpartition(".")[2]
    if model is not None or getattr(settings, "HOOK_ALLOWED_MODELS", None) is None:
        return [f"{_resource(model)}.{action}"]
    # Of any allowed model that the signal carries an object of, or by its path where it carries none.
    return [signal, *(f"{resource}.{action}" for resource, one in resources().items() if is_allowed(one))]


def _resource(model: ContentType | None) -> str:
    if model is None:
        return "*"
    found = model.model_class()  # None where its app is not installed any more
    return resource_of(found) if found else f"{model.app_label}.{model.model}"


def check_model(model: ContentType | None) -> None:
    """Raise `InvalidModelError` where `HOOK_ALLOWED_MODELS` leaves this model out, or its database has no outbox."""
    found = model.model_class() if model else None
    if found and not is_allowed(found):
        raise InvalidModelError(f"HOOK_ALLOWED_MODELS does not name {found._meta.label_lower}.")
    for _, alias in unkept([f"{resource_of(found)}.*"] if found else []):
        raise InvalidModelError(NO_OUTBOX.format(name=_resource(model), alias=alias))


def is_allowed(model: type[Model]) -> bool:
    """Return whether hooks may be on this model: `HOOK_ALLOWED_MODELS` names it, or is not set."""
    allowed = getattr(settings, "HOOK_ALLOWED_MODELS", None)
    names = {model._meta.label_lower, resource_of(model)}
    return allowed is None or bool(names & {str(name).lower() for name in allowed})


def key_of_object(model: ContentType | None, key: Any) -> str:
    """Return the key of an object as events write it; raise `InvalidObjectError` where the model has no such keys."""
    if key is None or key == "":
        return ""
    if model is None:
        raise InvalidObjectError("A hook on one object needs its model, too.")
    found = model.model_class()
    if found is None:
        return str(key)
    if has_secret_key(found):
        raise InvalidObjectError(
            f"The key of {found._meta.label} is a secret, which no event names, so a hook on one object would never be "
            "notified. Leave the object out: then the hook is on all of them."
        )
    try:
        written = canonical_key(found, key)
    except ValidationError as error:
        raise InvalidObjectError(f"“{key}” is not a key of {found._meta.label}: {error.messages[0]}") from error
    if len(written) > LONGEST_KEY or "\x00" in written:
        raise InvalidObjectError(f"A key has at most {LONGEST_KEY} characters, and none of them is NUL.")
    return written


def check_signals(signals: Any, model: ContentType | None) -> None:
    """Raise `InvalidSignalError` for signals that cannot be understood, or of which nothing can ever be published."""
    check_spelling(signals, model)
    if problem := next(problems_of(signals, model), None):
        raise InvalidSignalError(problem)
    patterns = patterns_of(signals, model)
    check_allowed(patterns)
    for pattern, alias in unkept(patterns if model is None else ()):
        raise InvalidSignalError(NO_OUTBOX.format(name=pattern, alias=alias))


def check_spelling(signals: Any, model: ContentType | None) -> None:
    """Raise `InvalidSignalError` for what is no list of signals, actions and event types."""
    if not isinstance(signals, list) or not all(isinstance(signal, str) and signal for signal in signals):
        raise InvalidSignalError('Signals are a JSON list of texts, for example ["created", "updated"].')
    if len(signals) > MOST_SIGNALS:
        raise InvalidSignalError(f"A hook has at most {MOST_SIGNALS} signals, not {len(signals)}; a pattern may do.")
    for signal in signals:
        if not SIGNAL.fullmatch(signal):
            raise InvalidSignalError(f"{signal[:50]!a} is no name of a signal, action or event type.")
        if is_path(signal):
            check_path(signal)
        elif "." not in signal and model is None:
            raise InvalidSignalError(
                f"“{signal}” needs a model; or give an event type such as “targets.target.{signal}”."
            )


def problems_of(signals: list[str], model: ContentType | None) -> Iterator[str]:
    """Yield a sentence for each reason why a hook with these signals is never notified, or not by one of them."""
    found = model.model_class() if model else None
    if found is not None and is_silenced(found):
        yield f"Nothing is published of {resource_of(found)}: the setting HELIOSTAT_SILENT names all its events."
        return
    resource = resource_of(found) if found is not None else ""
    for signal in signals:
        if signal in DJANGO_SIGNALS or is_path(signal):
            continue
        problem = _problem_of(signal) if "." in signal else problem_of_action(signal, resource) if resource else None
        if problem:
            yield problem


def _problem_of(event_type: str) -> str | None:
    """Return why there is no such event; rows of custom signals are read only where nothing else declares it."""
    problem = problem_of(event_type, is_durable=True)
    if problem is None:
        return None
    return problem_of(event_type, is_durable=True, more_actions=row_actions())


def problem_of_action(action: str, resource: str) -> str | None:
    """Return why a resource has no events with this action, in the words that a hook on its model uses."""
    event_type = f"{resource}.{action}"
    problem = _problem_of(event_type)
    if problem is None or action == READ or is_declared(event_type):
        return problem
    known = actions_of(f"{resource}.*", more_actions=row_actions())
    words = {name: name for name in known} | {path.rpartition(".")[2]: path for path in DJANGO_SIGNALS}
    near = suggestion([words[word] for word in closest(action, words)])
    near = near or f" Its actions are {', '.join(known)}."
    return f"“{action}” is no action of {resource}.{near} {REMEDY}"


def row_actions() -> frozenset[str]:
    """Return the actions of the custom signals that have a row: the event of any model may have one of them."""
    return frozenset(path.rpartition(".")[2] for path in _rows_of_signals())


def check_allowed(patterns: tuple[str, ...]) -> None:
    """Raise `InvalidSignalError` where event types match a model that HOOK_ALLOWED_MODELS does not name."""
    if getattr(settings, "HOOK_ALLOWED_MODELS", None) is None:
        return
    for model in apps.get_models():
        if is_allowed(model) or is_silenced(model):
            continue
        resource = resource_of(model)
        if any(may_match(pattern, resource) for pattern in patterns):
            raise InvalidSignalError(
                f"HOOK_ALLOWED_MODELS does not name {resource}, which this hook would be notified of."
            )


def may_match(pattern: str, resource: str) -> bool:
    """Return whether events of this resource may match: a `*` goes over dots (`shop.*`)."""
    literal = WILD.split(pattern)[0]
    if literal == pattern:
        return pattern.rpartition(".")[0] == resource
    return f"{resource}.".startswith(literal) or literal.startswith(f"{resource}.")


def hookable_models() -> list[type[Model]]:
    """Return the models that hooks may be on."""
    models = (model for model in apps.get_models() if not model._meta.proxy)
    return [model for model in models if is_observable(model) and is_allowed(model)]


def are_changes_only(patterns: tuple[str, ...]) -> bool:
    """Return whether these events are creations, changes and deletions, which carry no arguments of their own."""
    return all(pattern.rpartition(".")[2] in ACTIONS for pattern in patterns)


def check_path(path: str) -> None:
    """Raise `InvalidSignalError` where a path leads to no signal."""
    if path in DJANGO_SIGNALS:
        return
    if "." not in path:
        raise InvalidSignalError(f"“{path}” is no path of a signal, such as shop.signals.order_paid.")
    try:
        signal_in_row(path)
    except ConfigurationError as error:
        raise InvalidSignalError(str(error)) from error
