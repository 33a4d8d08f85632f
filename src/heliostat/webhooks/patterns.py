"""What a hook asks for: its model and its signals, as event types."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.contenttypes.models import ContentType

from heliostat.events.resources import ACTIONS, resource_of
from heliostat.events.signals import signal_at
from heliostat.exceptions import ConfigurationError
from heliostat.webhooks.exceptions import InvalidSignalError

DJANGO_SIGNALS = {
    "django.db.models.signals.post_save": ("created", "updated"),
    "django.db.models.signals.post_delete": ("deleted",),
    "django.db.models.signals.m2m_changed": ("updated",),
}


def patterns_of(signals: list[str], model: ContentType | None) -> tuple[str, ...]:
    """The event types that signals of a model stand for; none stand for everything that happens to it."""
    if not signals:
        return (f"{_resource(model)}.*",) if model else ()
    found: dict[str, None] = {}
    for signal in signals:
        found.update(dict.fromkeys(_patterns_of_one(signal, model)))
    return tuple(found)


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
    """Raises where `HOOK_ALLOWED_MODELS` is set and does not name this model."""
    allowed = getattr(settings, "HOOK_ALLOWED_MODELS", None)
    if model is None or allowed is None:
        return
    found = model.model_class()
    names = {f"{model.app_label}.{model.model}"} | ({resource_of(found)} if found else set())
    if not names & {str(name).lower() for name in allowed}:
        raise InvalidSignalError(f"HOOK_ALLOWED_MODELS does not name {model.app_label}.{model.model}.")


def check_signals(signals: Any, model: ContentType | None) -> None:
    """Raises `InvalidSignalError` for what can never be told."""
    if not isinstance(signals, list) or not all(isinstance(signal, str) and signal for signal in signals):
        raise InvalidSignalError('Signals are a JSON list of texts, for example ["created", "updated"].')
    for signal in signals:
        if is_path(signal):
            check_path(signal)
        elif "." not in signal and model is None:
            raise InvalidSignalError(
                f"“{signal}” needs a model; or give an event type such as “targets.target.{signal}”."
            )


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
        signal_at(path)
    except ConfigurationError as error:
        raise InvalidSignalError(str(error)) from error
