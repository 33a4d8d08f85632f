"""Custom signals become events: `shop.signals.order_paid` of an order is `shop.order.order_paid`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.signals import setting_changed
from django.db import models
from django.db.backends.signals import connection_created
from django.db.models.signals import class_prepared, post_init, pre_init
from django.dispatch import Signal
from django.utils.module_loading import import_string

from heliostat.conf import conf
from heliostat.events.emit import emit
from heliostat.exceptions import ConfigurationError

# To tell of these, objects would be made and connections opened, of which they would tell in turn.
INNER = (pre_init, post_init, class_prepared, connection_created, setting_changed)
PLAIN = (str, int, float, bool, type(None), list, tuple, dict)


def signal_at(path: str) -> Signal:
    """The signal at a path; raises `ConfigurationError` where there is none."""
    try:
        signal = import_string(path)
    except ImportError as error:
        raise ConfigurationError(f"{path!r} cannot be imported: {error}") from error
    return as_signal(signal, path)


def as_signal(found: Any, path: str) -> Signal:
    """What was found at a path, if it is a signal; raises `ConfigurationError` where it is none that can be told."""
    if not isinstance(found, Signal):
        raise ConfigurationError(f"{path!r} is a {type(found).__name__}, not a django.dispatch.Signal.")
    if any(found is one for one in INNER):
        raise ConfigurationError(f"{path!r} is sent while Django works, for each object that is read: it is no event.")
    return found


def listen_to(paths: Iterable[str], at: Callable[[str], Signal] = signal_at) -> None:
    """Make events of the signals at these paths (once each); `at` says where a path leads."""
    for path in paths:
        signal = at(path)
        signal.connect(_receiver(path), weak=False, dispatch_uid=f"heliostat:{path}")


def _receiver(path: str) -> Any:
    action = path.rpartition(".")[2]

    def receive(**arguments: Any) -> None:
        instance = arguments.pop("instance", None)
        facts = {name: _plain(value) for name, value in arguments.items() if name not in ("signal", "sender")}
        if isinstance(instance, models.Model):
            emit(action, instance, arguments=facts)
        else:
            emit(path, arguments=facts)

    return receive


def _plain(value: Any) -> Any:
    if isinstance(value, models.Model):
        return {"object_type": value._meta.label_lower, "object_id": str(value.pk)}
    return value if isinstance(value, PLAIN) else str(value)


def check_signals(**_: object) -> list[CheckMessage]:
    """System check: each path in HELIOSTAT_SIGNALS leads to a signal."""
    messages: list[CheckMessage] = []
    for path in conf.signals:
        try:
            signal_at(path)
        except ConfigurationError as error:
            hint = "Give the dotted path of a django.dispatch.Signal object."
            messages.append(Error(f"HELIOSTAT_SIGNALS: {error}", hint=hint, id="heliostat.E003"))
    return messages
