"""Capture the events of a block, or subscribe to them inside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from typing import Any

from django.test import TestCase

from heliostat.events.databases import home
from heliostat.events.event import Event, Phase
from heliostat.events.matching import registry
from heliostat.events.subscriptions import Subscription
from heliostat.events.types import problem_of
from heliostat.exceptions import ConfigurationError

SOURCE = "testing"

_numbers = count()


@contextmanager
def captured_events(*patterns: str) -> Iterator[list[Event]]:
    """Return a list of the events of a block, of these types (default: all), in order.

    Raises `ConfigurationError` for a type of which no event can be published, as `subscribed()` does: a mistyped one
    would let a test pass that expects no event.
    """
    events: list[Event] = []
    with subscribed(events.append, *(patterns or ("*",)), when=Phase.IN_TRANSACTION):
        yield events


@contextmanager
def subscribed(function: Callable[[Event], Any], *patterns: str, when: str = Phase.AFTER_COMMIT) -> Iterator[None]:
    """Subscribe a function to these events, inside a block; `when` is `in_transaction` or `after_commit`.

    Raises `ConfigurationError` for a type of which no event can be published, and for a phase that does not exist.
    """
    if when not in tuple(Phase):
        raise ConfigurationError(f"`when` is {when!r}; it can be {', '.join(Phase)}.")
    for pattern in patterns:
        if problem := problem_of(pattern, is_durable=when == Phase.DURABLE):
            raise ConfigurationError(problem)
    name = f"{SOURCE}:{next(_numbers)}"
    wishes = [Subscription(name=name, pattern=one, phase=Phase(when), handler=function) for one in patterns]
    registry.add(name, lambda: wishes)
    try:
        yield
    finally:
        registry.remove(name)


def run_after_commit(using: str | None = None) -> AbstractContextManager[list[Callable[[], Any]]]:
    """Run what waits for a commit at the end of a block, in a `TestCase`, which never commits."""
    return TestCase.captureOnCommitCallbacks(using=using or home(), execute=True)
