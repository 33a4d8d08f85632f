"""Dispatch: match events, and give them to their subscribers, each in its phase."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

from django.db import models, transaction

from heliostat.events.context import notifying
from heliostat.events.event import Event, Phase
from heliostat.events.matching import registry
from heliostat.events.subscriptions import Subscription
from heliostat.events.transactions import own_savepoint
from heliostat.exceptions import Refused

logger = logging.getLogger("heliostat.events")

Matched = tuple[Event, Sequence[Subscription]]
Writer = Callable[[Sequence[Matched], str], None]
Call = tuple[Event, Sequence[Subscription], Sequence[Event]]
"""An event with subscribers in this process, and the events of its group, for those who get them together."""
Served = dict[UUID, set[str]]
"""By the id of a change's first event: the subscribers that got one."""

failures: Counter[str] = Counter()
"""How often each `after_commit` subscriber failed in this process."""

_write_durable: Writer | None = None


def write_durable_with(writer: Writer) -> None:
    """Set what writes the callbacks of durable subscribers: the outbox."""
    global _write_durable  # noqa: PLW0603  one seam, filled once at start
    _write_durable = writer


def dispatch(events: Sequence[Event], using: str, served: Served | None = None, *, is_batch: bool = False) -> None:
    """Match events and dispatch them to their subscribers, inside the transaction of the change.

    The events of a batch are grouped for subscribers that ask for it.
    """
    matched = _matched(events, {} if served is None else served)
    for call in _calls(matched.get(Phase.IN_TRANSACTION, ()), is_batch):
        _notify(*call)
    if (callbacks := matched.get(Phase.DURABLE)) and _write_durable is not None:
        _write_durable(callbacks, using)
    for call in _calls(matched.get(Phase.AFTER_COMMIT, ()), is_batch):
        transaction.on_commit(partial(_notify, *call), using=using)


def _calls(matched: Sequence[Matched], is_batch: bool) -> Iterable[Call]:
    """Return the calls of subscribers in this process; for a batch, in the order of the first event of each."""
    if not is_batch:
        return [(event, found, ()) for event, found in matched]
    calls: dict[Hashable, tuple[Event, Sequence[Subscription], list[Event]]] = {}
    for event, found in matched:
        for one in found:
            key = (one.name, event.id if one.grouping is None else one.grouping.key_of(event))
            calls.setdefault(key, (event, [one], []))[2].append(event)
    return calls.values()


def _matched(events: Sequence[Event], served: Served) -> dict[Phase, list[Matched]]:
    """Return by phase the events that have subscribers, with these.

    Of one change that is an event of a model and of its parents too, each subscriber gets the first that it subscribes
    to, that of the object's own model.
    """
    matched: dict[Phase, list[Matched]] = {}
    for event in events:
        names = served.setdefault(event.origin or event.id, set())
        found: dict[Phase, list[Subscription]] = {}
        needs_facts = False
        for one in registry.matcher.match(event):
            if one.name not in names or event.origin is None:
                found.setdefault(one.phase, []).append(one)
                # Python code that runs later; before the commit, the object itself can be asked.
                needs_facts |= one.needs_facts or (one.handler is not None and one.phase is not Phase.IN_TRANSACTION)
        if needs_facts:
            event = with_facts(event)  # noqa: PLW2901
        for phase, of_phase in found.items():
            matched.setdefault(phase, []).append((event, of_phase))
            names.update([one.name for one in of_phase])
    return matched


def _notify(event: Event, subscriptions: Sequence[Subscription], group: Sequence[Event]) -> None:
    """Call subscribers in this process: before the commit, the first that fails refuses the change."""
    for subscription in subscriptions:
        assert subscription.handler is not None
        try:
            with notifying(event):
                if group and subscription.grouping is not None:
                    subscription.grouping.handler(group)
                else:
                    subscription.handler(event)
        except Exception as error:
            if subscription.phase is Phase.IN_TRANSACTION:
                if isinstance(error, Refused):
                    raise  # a subscriber further down refused; its own words are the clearest
                raise Refused(subscription.name, event.type, error) from error
            failures[subscription.name] += 1
            logger.exception(
                "%s failed at %s %s (event %s); the change itself stands",
                subscription.name,
                event.type,
                event.object_id,
                event.id,
            )


def with_facts(event: Event) -> Event:
    """Return the event with the address and the text of its object, as they are now.

    A subscriber that runs later would ask an object that may be deleted, or changed, by then.
    """
    instance = event.instance
    if not isinstance(instance, models.Model) or event.uri is not None:
        return event
    uri = plain_uri(event)
    if event.object_id is None:  # its key is a secret, which its text and its address may hold
        return replace(event, uri=uri, text=str(instance._meta.verbose_name))
    address = getattr(instance, "get_absolute_url", None)
    own = _text_from(event, address) if callable(address) else None
    return replace(event, uri=own or uri, text=_text_from(event, instance.__str__) or event.object_id)


def plain_uri(event: Event) -> str:
    """Return the address of an object that has none of its own: its resource and key as a path."""
    return resource_uri(event.resource) + (event.object_id or "")


def resource_uri(resource: str) -> str:
    """Return a resource as a path that ends with a slash."""
    return "/".join(["", *resource.split("."), ""])


def _text_from(event: Event, function: Callable[[], Any]) -> str | None:
    """Return what the host's code returns as text; None where it fails, which is not a reason to undo its change."""
    try:
        with own_savepoint():
            return str(function())
    except Exception as error:
        logger.debug("%s %s: its address or text cannot be made: %r", event.type, event.object_id, error)
        return None
