"""What a project's own deliverers say otherwise, done wherever it is due: `dump_payload` and `after_deliver`."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from heliostat.conf import conf
from heliostat.events.context import telling
from heliostat.exceptions import SnapshotError
from heliostat.outbox.bodies import event_from, to_json
from heliostat.outbox.models import Event
from heliostat.outbox.transitions import Result
from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer, Response, class_of
from heliostat.webhooks.deliverers.configured import collection_deliverer, element_deliverer

logger = logging.getLogger("heliostat.webhooks")


def _dump() -> Callable[[Any], Any] | None:
    """`dump_payload` of the collection's deliverer, where it is not ours."""
    owner = class_of(collection_deliverer())
    if owner is None or getattr(owner, "dump_payload", None) in (None, HooksDeliverer.dump_payload):
        return None
    return owner().dump_payload  # type: ignore[no-any-return]


def has_own_dump() -> bool:
    """Whether payloads are dumped by the project's own deliverer."""
    return _dump() is not None


def dumped(payload: Any, what: str) -> str:
    """The text of a payload, by the deliverer's `dump_payload`. Raises `SnapshotError` where it is no data."""
    text = to_json(payload, what)
    if (dump := _dump()) is None:
        return text
    try:
        return _as_text(dump(msgspec.json.decode(text)))
    except Exception:
        if conf.hooks_raise_exceptions:
            raise
        logger.exception("dump_payload of %s failed for %s; JSON is sent", conf.collection_deliverer, what)
        return text


def _as_text(told: Any) -> str:
    if isinstance(told, bytes):
        return told.decode()
    if not isinstance(told, str):
        raise SnapshotError(f"dump_payload gave a {type(told).__name__}; it must give a text")
    return told


def answered(result: Result, using: str) -> None:
    """A receiver answered: the element's deliverer may want to do something about it."""
    owner = class_of(element_deliverer())
    if result.status_code is None or owner is None or owner.after_deliver is HookDeliverer.after_deliver:
        return
    row = Event.objects.using(using).get(pk=result.claimed.event_id)
    with telling(event_from(row.body, row.context, using)):  # what it changes happens one level deeper
        owner().after_deliver(Response(result.status_code, result.url, result.response, result.claimed.id))
