"""What subscribers are sent of an event, made when it happens; what cannot be made is an error of the callback alone.

Nothing in here undoes the change that the event is about: a subscription's `body` runs what may query in a savepoint
(`own_savepoint`), and its exceptions end as the reason in a callback's row.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple

from django.db import models

from heliostat.conf import conf
from heliostat.events.event import Event
from heliostat.events.snapshot import as_written
from heliostat.events.subscriptions import Subscription
from heliostat.events.transactions import own_savepoint
from heliostat.exceptions import SnapshotError
from heliostat.outbox.bodies import body_of, bounded, stub_of
from heliostat.outbox.problems import CannotRender, Problem

logger = logging.getLogger("heliostat.outbox")

OBJECT = "object"  # in the memory of an event

Errors = tuple[type[Exception], ...]

_memory: ContextVar[dict[Any, Any] | None] = ContextVar("heliostat_rendering", default=None)


class Rendered(NamedTuple):
    """What one subscriber is sent: its own body, or None for the event's; or why it cannot be rendered."""

    subscription: Subscription
    body: str | None
    problem: Problem | None = None


class rendering:
    """Give the code that renders events a memory of its own until the end of the block."""

    __slots__ = ("_token",)

    def __enter__(self) -> dict[Any, Any]:
        known: dict[Any, Any] = {}
        self._token = _memory.set(known)
        return known

    def __exit__(self, *_: object) -> None:
        _memory.reset(self._token)


def memory() -> dict[Any, Any]:
    """Return the memory of the block that renders now; outside of one, an empty one that nothing remembers."""
    known = _memory.get()
    return {} if known is None else known


def memory_of(event: Event) -> dict[Any, Any]:
    """Return what is remembered of this event until the next one is rendered."""
    known = memory()
    event_id, facts = known.get("event", (None, {}))
    if event_id != event.id:
        facts = {}
        known["event"] = (event.id, facts)
    return facts  # type: ignore[no-any-return]


def object_of(event: Event) -> models.Model:
    """Return a copy of the event's object, made once, with the values of its row: some may be set and not saved."""
    facts = memory_of(event)
    if OBJECT not in facts:
        facts[OBJECT] = as_written(event.instance, event.snapshot)
    return facts[OBJECT]  # type: ignore[no-any-return]


def is_rendering() -> bool:
    """Return whether a block that renders is open."""
    return _memory.get() is not None


def render(event: Event, subscriptions: Sequence[Subscription], fatal: Errors = ()) -> tuple[str, list[Rendered]]:
    """Return the body of the event's own row, and what each subscriber is sent.

    Where the default body cannot be rendered the row holds a small one that says so, and those who would be sent it get
    the reason. Raises nothing but `fatal` errors, unless DJANGO_HTTP_HOOKS_RAISE_EXCEPTIONS asks for it.
    """
    body, problem = default_body(event)
    return body or stub_of(event, problem.reason if problem else ""), [
        _rendered(event, one, problem, fatal) for one in subscriptions
    ]


def default_body(event: Event) -> tuple[str | None, Problem | None]:
    """Return the default body of an event, or None and why it cannot be rendered. Made once."""
    facts = memory_of(event)
    if "default" not in facts:
        try:
            can_query = (
                event.arguments or event.payload is not None
            )  # they may hold querysets, and texts made when read
            with own_savepoint() if can_query else nullcontext():
                facts["default"] = (body_of(event), None)
        except Exception as error:
            facts["default"] = (None, Problem.of(error))
    return facts["default"]  # type: ignore[no-any-return]


def _rendered(event: Event, subscription: Subscription, default_problem: Problem | None, fatal: Errors) -> Rendered:
    body: str | None = None
    problem = default_problem
    if subscription.body is not None:
        try:
            if (body := subscription.body(event)) is not None:
                body, problem = bounded(body, f"{event.type} for {subscription.name}"), None
        except SnapshotError as error:
            body, problem = None, Problem.of(error)
        except Exception as error:  # `body` has undone what it did in the database, and logged the error
            if conf.hooks_raise_exceptions or isinstance(error, fatal):
                raise
            return Rendered(subscription, None, Problem.of(error))
        if problem and conf.hooks_raise_exceptions:
            raise CannotRender(problem)
    if problem:
        what = (subscription.name, event.type, event.object_id, event.id, problem.reason)
        logger.error("%s is not sent %s %s (event %s), its body cannot be rendered: %s", *what)
    return Rendered(subscription, body, problem)
