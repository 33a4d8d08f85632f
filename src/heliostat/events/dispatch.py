"""Dispatch: match events, and give them to their subscribers, each in its phase."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from django.db import transaction

from heliostat.events.context import notifying
from heliostat.events.event import Event, Phase
from heliostat.events.facts import needs_facts, with_facts
from heliostat.events.matching import Subscription, registry
from heliostat.exceptions import Refused

logger = logging.getLogger("heliostat.events")

Matched = tuple[Event, Sequence[Subscription]]
Writer = Callable[[Sequence[Matched], str], None]

failures: Counter[str] = Counter()
"""How often each `after_commit` subscriber failed in this process."""

_write_durable: Writer | None = None


def write_durable_with(writer: Writer) -> None:
    """The outbox says how callbacks of durable subscribers are written."""
    global _write_durable  # noqa: PLW0603  one seam, filled once at start
    _write_durable = writer


Served = dict[UUID, set[str]]
"""By the id of a change's first event: the subscribers that got one."""


def dispatch(events: Sequence[Event], using: str, served: Served | None = None) -> None:
    """Match events and dispatch them to their subscribers, inside the transaction of the change."""
    matched = _matched(events, {} if served is None else served)
    for event, subscriptions in matched:
        _in_transaction(event, subscriptions)
    callbacks = [(event, durable) for event, found in matched if (durable := _of(found, Phase.DURABLE))]
    if callbacks and _write_durable is not None:
        _write_durable(callbacks, using)
    for event, found in matched:
        if later := _of(found, Phase.AFTER_COMMIT):
            transaction.on_commit(partial(_after_commit, event, later), using=using)


def _matched(events: Sequence[Event], served: Served) -> list[Matched]:
    """The events that have subscribers, with these. Of one change that is an event of a model and of its parents too,
    each subscriber gets the first that it asked for, that of the object's own model."""
    matched: list[Matched] = []
    for event in events:
        found = registry.matcher.match(event)
        if event.origin is not None:
            names = served.get(event.origin, set())
            found = [one for one in found if one.name not in names]
        if found:
            served.setdefault(event.origin or event.id, set()).update(one.name for one in found)
            matched.append((with_facts(event) if any(map(needs_facts, found)) else event, found))
    return matched


def _of(subscriptions: Sequence[Subscription], phase: Phase) -> list[Subscription]:
    return [subscription for subscription in subscriptions if subscription.phase is phase]


def _in_transaction(event: Event, subscriptions: Sequence[Subscription]) -> None:
    for subscription in _of(subscriptions, Phase.IN_TRANSACTION):
        assert subscription.handler is not None
        try:
            with notifying(event):
                subscription.handler(event)
        except Refused:
            raise  # a subscriber further down refused; its own words are the clearest
        except Exception as reason:
            raise Refused(subscription.name, event.type, reason) from reason


def _after_commit(event: Event, subscriptions: Sequence[Subscription]) -> None:
    for subscription in subscriptions:
        assert subscription.handler is not None
        try:
            with notifying(event):
                subscription.handler(event)
        except Exception:
            failures[subscription.name] += 1
            logger.exception(
                "%s failed at %s %s (event %s); the change itself stands",
                subscription.name,
                event.type,
                event.object_id,
                event.id,
            )
