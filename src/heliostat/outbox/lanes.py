"""In which lane an event goes, for subscribers that want to be told of each object's events in their order."""

from __future__ import annotations

import hashlib

from heliostat.events.event import Event
from heliostat.outbox.models import Callback

LONGEST = Callback._meta.get_field("lane").max_length or 0


def lane_of(event: Event) -> str | None:
    """The lane of the event's object; None where there is no object, and so nothing to put in order."""
    if event.object_id is None:
        return None
    lane = f"{event.resource}:{event.object_id}"
    return lane if len(lane) <= LONGEST else f"{event.resource}#{hashlib.sha256(lane.encode()).hexdigest()}"
