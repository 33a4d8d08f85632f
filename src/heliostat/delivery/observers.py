"""Who wants to know how attempts went, after they were written down."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from heliostat.delivery.transport import kind_of
from heliostat.outbox.transitions import Result

logger = logging.getLogger("heliostat.delivery")

Observer = Callable[[Result, str], None]

_observers: dict[str, Observer] = {}


def observe(kind: str, observer: Observer) -> None:
    """Tell `observer` of each attempt at a subscriber of this kind, with the alias of its database.

    It runs in the worker's own thread: a slow one delays everybody.
    """
    _observers[kind] = observer


def attempted(results: Iterable[Result], using: str) -> None:
    """These attempts are over and written down."""
    for result in results:
        if (observer := _observers.get(kind_of(result.claimed.subscriber))) is not None:
            try:
                observer(result, using)
            except Exception:
                logger.exception("callback %d was told, but what follows from it failed", result.claimed.id)
