"""What a hook asks for: its model and its signals, as event types."""

from __future__ import annotations

import re
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db.models import Model

from heliostat.events.matching import is_silenced
from heliostat.events.resources import ACTIONS, resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.database_checks import unkept
from heliostat.webhooks.exceptions import InvalidModelError, InvalidObjectError, InvalidSignalError
from heliostat.webhooks.paths import signal_in_row

MOST_SIGNALS = 100
LONGEST_KEY = 255  # so long is the column of hooks
SIGNAL = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,255}")
WILD = re.compile(r"[*?[]")
NO_OUTBOX = "No hook is notified of {name}: the database {alias} has no outbox. `manage.py check` says what to do."
M2M_CHANGED = "django.db.models.signals.m2m_changed"
# What is sent before a change stands for it too: were it told by itself, a change that then fails would be a ghost.
DJANGO_SIGNALS = {
    "django.db.models.signals.post_save": ("created", "updated"),
    "django.db.models.signals.post_delete": ("deleted",),
    "django.db.models.signals.pre_save": ("created", "updated"),
    "django.db.models.signals.pre_delete": ("deleted",),
    M2M_CHANGED: ("updated",),
}


def patterns_of(signals: list[str], model: ContentType | None) -> tuple[str, ...]:
    """The event types that signals of a model stand for; none stand for everything that happens to it."""
    if not signals:
        return (f"{_resource(model)}.*",) if model else ()
    found: dict[str, None] = {}
    for signal in signals:
        found.update(dict.fromkeys(_patterns_of_one(signal, model)))
    return tuple(found)


def of_relations_alone(signals: list[str]) -> bool:
    """Whether a hook asks for changes of relations to many objects, and for no other changes."""
    return bool(signals) and all(signal == M2M_CHANGED for signal in signals)


def custom_signals(signals: list[str]) -> list[str]:
    """The paths of custom signals among them."""
    return [signal for signal in signals if is_path(signal) and signal not in DJANGO_SIGNALS]


def is_path(signal: str) -> bool:
    """Whether it names a signal, rather than an event type."""
    return ".signals." in signal


def _patterns_of_one(signal: str, model: ContentType | None) -> list[str]:
    if signal in DJANGO_SIGNALS:
        return [f"{_resource(model)}.{action}" for action in DJANGO_SIGNALS[signal]]
    if is_path(signal):
        return [f"{_resource(model)}.{signal.rpartition('.')[2]}"] if model else [signal]
    return [signal] if "." in signal else [f"{_resource(model)}.{signal}"]


def _resource(model: ContentType | None) -> str:
    if model is None:
        return "*"
    found = model.model_class()  # None where its app is installed no more
    return resource_of(found) if found else f"{model.app_label}.{model.model}"


def check_model(model: ContentType | None) -> None:
    """Raises `InvalidModelError` where `HOOK_ALLOWED_MODELS` leaves this model out, or its database has no outbox."""
    found = model.model_class() if model else None
    if found and not is_allowed(found):
        raise InvalidModelError(f"HOOK_ALLOWED_MODELS does not name {found._meta.label_lower}.")
    for _, alias in unkept([f"{resource_of(found)}.*"] if found else []):
        raise InvalidModelError(NO_OUTBOX.format(name=_resource(model), alias=alias))


def is_allowed(model: type[Model]) -> bool:
    """Whether hooks may be on this model: `HOOK_ALLOWED_MODELS` names it, or is not set."""
    allowed = getattr(settings, "HOOK_ALLOWED_MODELS", None)
    names = {model._meta.label_lower, resource_of(model)}
    return allowed is None or bool(names & {str(name).lower() for name in allowed})


def key_of_object(model: ContentType | None, key: Any) -> str:
    """The key of an object as events write it; raises `InvalidObjectError` where the model has no such keys."""
    if key is None or key == "":
        return ""
    if model is None:
        raise InvalidObjectError("A hook on one object needs its model, too.")
    found = model.model_class()
    if found is None or found._meta.pk is None:
        return str(key)
    try:
        written = str(found._meta.pk.to_python(key))
    except ValidationError as error:
        raise InvalidObjectError(f"“{key}” is no key of {model.app_label}.{model.model}.") from error
    if len(written) > LONGEST_KEY or "\x00" in written:
        raise InvalidObjectError(f"A key has at most {LONGEST_KEY} characters, and none of them is NUL.")
    return written


def check_signals(signals: Any, model: ContentType | None) -> None:
    """Raises `InvalidSignalError` for what can never be told."""
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
    patterns = patterns_of(signals, model)
    check_allowed(patterns)
    for pattern, alias in unkept(patterns if model is None else ()):
        raise InvalidSignalError(NO_OUTBOX.format(name=pattern, alias=alias))


def check_allowed(patterns: tuple[str, ...]) -> None:
    """Event types are no way around HOOK_ALLOWED_MODELS; raises `InvalidSignalError` where they would be."""
    if getattr(settings, "HOOK_ALLOWED_MODELS", None) is None:
        return
    for model in apps.get_models():
        if is_allowed(model) or is_silenced(model):
            continue
        resource = resource_of(model)
        if any(could_be_of(pattern, resource) for pattern in patterns):
            raise InvalidSignalError(f"HOOK_ALLOWED_MODELS does not name {resource}, which this hook would be told of.")


def could_be_of(pattern: str, resource: str) -> bool:
    """Whether an event of this resource might match: a `*` goes over dots, so `shop.*` may be any of a shop's."""
    literal = WILD.split(pattern)[0]
    if literal == pattern:
        return pattern.rpartition(".")[0] == resource
    return f"{resource}.".startswith(literal) or literal.startswith(f"{resource}.")


def tells_of_changes_alone(patterns: tuple[str, ...]) -> bool:
    """Whether these events are creations, changes and deletions, which carry no arguments of their own."""
    return all(pattern.rpartition(".")[2] in ACTIONS for pattern in patterns)


def check_path(path: str) -> None:
    """Raises `InvalidSignalError` where a path leads to no signal."""
    if path in DJANGO_SIGNALS:
        return
    if not is_path(path):
        raise InvalidSignalError(f"“{path}” is no path of a signal, such as shop.signals.order_paid.")
    try:
        signal_in_row(path)
    except ConfigurationError as error:
        raise InvalidSignalError(str(error)) from error
