"""Listeners as subscriptions, and their system check."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, Error, Warning

from heliostat.delivery.python import PythonKind
from heliostat.events.event import Event, Phase
from heliostat.events.filters import guarded
from heliostat.events.matching import registry
from heliostat.events.subscriptions import Grouping, Subscription
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.base import group_of
from heliostat.listeners.configured import LISTENER, Configured, configured, likely_mistakes
from heliostat.outbox.checks import check_durable

logger = logging.getLogger("heliostat.listeners")

_built: Mapping[str, Configured] = {}


def subscriptions() -> Iterator[Subscription]:
    """Build the listeners: once at the start, and again when settings change."""
    global _built  # noqa: PLW0603  replaced as a whole, so that other threads need no lock
    found: dict[str, Configured] = {}
    for listener in configured():
        if isinstance(listener, ConfigurationError):
            logger.error("a listener is not notified of anything. %s", listener)
        else:
            found[listener.subscriber] = listener
    _built = found
    for name, listener in found.items():
        is_called = listener.kind == LISTENER
        for pattern, where in listener.events.items():
            yield Subscription(
                name=name,
                pattern=pattern,
                phase=listener.phase,
                handler=listener.notify if is_called else None,
                body=listener.body if hasattr(listener.listener, "render") else None,
                condition=guarded(where.holds, name) if where.holds else None,
                key=where.key,
                ordered=listener.ordered,
                needs_facts=not is_called,
                grouping=Grouping(group_of, listener.notify_group) if is_called else None,
            )


def all_built() -> Mapping[str, Configured]:
    """Return all subscribers of `EVENT_LISTENERS`, by name. From any thread."""
    registry.matcher  # noqa: B018  makes them, where they are not made yet, or settings changed
    return _built


def built(subscriber: str) -> Configured | None:
    """Return the subscriber of `EVENT_LISTENERS` with this name (`listener:NAME`, `queue:NAME`), if it is configured.

    From any thread; a process that has published nothing yet builds the listeners now.
    """
    return all_built().get(subscriber)


class ListenerKind(PythonKind):
    """Durable listeners."""

    name = LISTENER

    def function(self, subscriber: str) -> Callable[[Event], Any] | None:
        found = built(subscriber)
        return found.notify if found else None


def check_listeners(**_: object) -> list[CheckMessage]:
    """System check: each listener can be built, and names resources and options that exist."""
    hint = (
        "EVENT_LISTENERS = {name: {'use': module, 'actions': […], 'resources': […], …}}, or the path of an .ini file."
    )
    errors = [one for one in configured() if isinstance(one, ConfigurationError)]
    if errors:
        return [Error(str(error), hint=hint, id="heliostat.E020") for error in errors]
    return [Warning(problem, hint=hint, id="heliostat.W020") for problem in likely_mistakes()]


def check_databases(**_: object) -> list[CheckMessage]:
    """System check: durable listeners subscribe to models whose database has an outbox."""
    found = [one for one in configured() if isinstance(one, Configured) and one.phase is Phase.DURABLE]
    return check_durable((one.subscriber, tuple(one.events)) for one in found)
