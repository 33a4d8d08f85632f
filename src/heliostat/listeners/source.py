"""Listeners as subscriptions, and their system check."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from heliostat.delivery.python import PythonKind
from heliostat.events.event import Event, Phase
from heliostat.events.subscriptions import Subscription
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.config import Configured, configured, mistyped_options
from heliostat.outbox.database_checks import check_durable

logger = logging.getLogger("heliostat.listeners")

_built: dict[str, Configured] = {}


def subscriptions() -> Iterator[Subscription]:
    """Build the listeners: once at the start, and again when settings change."""
    _built.clear()
    for listener in configured():
        if isinstance(listener, ConfigurationError):
            logger.error("a listener is not notified of anything. %s", listener)
            continue
        _built[listener.subscriber] = listener
        for pattern in listener.patterns:
            name, phase = listener.subscriber, listener.phase
            yield Subscription(name=name, pattern=pattern, phase=phase, handler=listener.notify)


class ListenerKind(PythonKind):
    """Durable listeners."""

    name = "listener"

    def function(self, subscriber: str) -> Callable[[Event], Any] | None:
        found = _built.get(subscriber)
        return found.notify if found else None


def check_listeners(**_: object) -> list[CheckMessage]:
    """System check: each listener can be built, and names resources and options that exist."""
    hint = "EVENT_LISTENERS = {name: {'use': module, 'actions': […], 'resources': […], …}}"
    errors = [one for one in configured() if isinstance(one, ConfigurationError)]
    if errors:
        return [Error(str(error), hint=hint, id="heliostat.E020") for error in errors]
    return [Warning(problem, hint=hint, id="heliostat.W020") for problem in mistyped_options()]


def check_databases(**_: object) -> list[CheckMessage]:
    """System check: durable listeners subscribe to models whose database has an outbox."""
    found = [one for one in configured() if isinstance(one, Configured) and one.phase is Phase.DURABLE]
    return check_durable((one.subscriber, one.patterns) for one in found)
