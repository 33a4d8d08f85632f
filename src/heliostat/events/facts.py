"""Facts of an object that only the object itself can give: its address and its text, as they are at the event.

A subscriber that runs later would ask an object that may be deleted, or changed, by then.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from django.db import models

from heliostat.events.event import Event, Phase
from heliostat.events.matching import Subscription
from heliostat.events.transactions import own_savepoint

logger = logging.getLogger("heliostat.events")


def needs_facts(subscription: Subscription) -> bool:
    """Whether this subscriber is Python code that runs later; before the commit, the object itself can be asked."""
    return subscription.handler is not None and subscription.phase is not Phase.IN_TRANSACTION


def with_facts(event: Event) -> Event:
    """The event with the address and the text of its object."""
    if not isinstance(event.instance, models.Model) or event.uri is not None:
        return event
    if event.object_id is None:  # its key is a secret, which its text and its address may hold
        return replace(event, uri=plain_uri(event), text=str(event.instance._meta.verbose_name))
    return replace(event, uri=_uri(event), text=_asked(event, lambda: str(event.instance)) or event.object_id)


def plain_uri(event: Event) -> str:
    """The address of an object that has none of its own: its resource and key as a path."""
    return "/".join(["", *event.resource.split("."), event.object_id or ""])


def _uri(event: Event) -> str:
    address = getattr(event.instance, "get_absolute_url", None)
    return (_asked(event, lambda: str(address())) if callable(address) else None) or plain_uri(event)


def _asked(event: Event, ask: Any) -> str | None:
    """What the host's code answers; None where it fails, which is not a reason to undo its change."""
    try:
        with own_savepoint():
            return str(ask())
    except Exception as error:
        logger.debug("%s %s: its address or text cannot be made: %r", event.type, event.object_id, error)
        return None
