"""Custom signals become events: `shop.signals.order_paid` of an order is `shop.order.order_paid`."""

from __future__ import annotations

import datetime
import decimal
import sys
import uuid
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.signals import setting_changed
from django.db import models
from django.db.backends.signals import connection_created
from django.db.models.signals import class_prepared, post_init, pre_init
from django.dispatch import Signal
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from heliostat.conf import LONGEST_EVENT_TYPE, conf
from heliostat.events.publish import emit, real_object
from heliostat.events.snapshot import public_key
from heliostat.events.transactions import attempt
from heliostat.events.types import resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.redaction import redacted
from heliostat.suggestions import closest, suggestion

# To publish these, objects would be made and connections opened, which send such signals in turn.
INNER = (pre_init, post_init, class_prepared, connection_created, setting_changed)
DATA = (
    str, bytes, int, float, type(None), decimal.Decimal, datetime.date, datetime.time, datetime.timedelta, uuid.UUID,
    Enum, Promise, models.QuerySet,
)  # fmt: skip


def signal_at(path: str) -> Signal:
    """Return the signal at a path; raises `ConfigurationError` where there is none."""
    try:
        signal = import_string(path)
    except ImportError as error:
        name, _, attribute = path.rpartition(".")
        in_module = vars(sys.modules[name]).items() if name in sys.modules else ()
        near = closest(attribute, [each for each, value in in_module if isinstance(value, Signal)])
        hint = suggestion([f"{name}.{each}" for each in near])
        raise ConfigurationError(f"{path!r} cannot be imported: {error}.{hint}") from error
    except Exception as error:  # whatever the module raises while it is imported
        raise ConfigurationError(f"importing {path!r} raised {type(error).__name__}: {error}") from error
    return as_signal(signal, path)


def as_signal(found: Any, path: str) -> Signal:
    """What was found at a path, if it is a signal; raises `ConfigurationError` where no event can be made of it."""
    if not isinstance(found, Signal):
        raise ConfigurationError(f"{path!r} is a {type(found).__name__}, not a django.dispatch.Signal.")
    if any(found is one for one in INNER):
        raise ConfigurationError(f"{path!r} is sent while Django works, for each object that is read: it is no event.")
    if len(path) > LONGEST_EVENT_TYPE:
        raise ConfigurationError(f"{path!r} is longer than the {LONGEST_EVENT_TYPE} characters of an event type.")
    return found


def listen_to(paths: Iterable[str], at: Callable[[str], Signal] = signal_at) -> None:
    """Make events of the signals at these paths (once each); `at` says where a path leads."""
    for path in paths:
        signal = at(path)
        signal.connect(_receiver(path), weak=False, dispatch_uid=f"heliostat:{path}")


def _receiver(path: str) -> Any:
    def receive(sender: Any, **arguments: Any) -> None:
        attempt(path, partial(_publish, path, sender, arguments), None)  # the sender is the host's code

    return receive


def _publish(path: str, sender: Any, arguments: dict[str, Any]) -> None:
    action = path.rpartition(".")[2]
    arguments.pop("signal", None)
    instance = _object_of(sender, arguments)
    facts = {name: _plain(value) for name, value in arguments.items()}
    if instance is not None:
        emit(action, instance, arguments=facts)
    elif _is_model(sender):
        emit(f"{resource_of(sender)}.{action}", arguments=facts)
    else:
        emit(path, arguments=facts)


def _object_of(sender: Any, arguments: dict[str, Any]) -> models.Model | None:
    """Return the object that a signal is about: `instance`, the sender itself, or an argument of the sender's model.

    `user_logged_in` has the user's class as sender, and the user as `user`. Where several arguments are such objects,
    the one that is named like the model counts. `instance` is taken out of the arguments, the others stay.
    """
    candidates = [arguments.pop("instance", None), sender]
    if _is_model(sender):
        fitting = {name: value for name, value in arguments.items() if isinstance(value, sender)}
        named = fitting.get(str(sender._meta.model_name))
        candidates += [named] if named is not None else fitting.values() if len(fitting) == 1 else []
    objects = (real_object(each) for each in candidates)
    return next((each for each in objects if isinstance(each, models.Model)), None)


def _is_model(sender: Any) -> bool:
    return isinstance(sender, type) and issubclass(sender, models.Model) and not sender._meta.abstract


def _plain(value: Any) -> Any:
    """Return an argument of a signal as data. What is no data (a request, a file) becomes the name of its type.

    The text of such an object could hold anything: that of a request holds its query string.
    """
    return redacted(value, whole=True, leaf=_leaf)


def _leaf(value: Any) -> Any:
    if isinstance(value, models.Model):
        return {"object_type": value._meta.label_lower, "object_id": public_key(value, value._meta.model)}
    return value if isinstance(value, DATA) else f"<{type(value).__name__}>"


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
