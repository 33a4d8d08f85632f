"""What a listener is, and what it receives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from heliostat.events.dispatch import plain_uri, with_facts
from heliostat.events.event import Event

KINTO_ACTIONS = {"created": "create", "updated": "update", "deleted": "delete"}
OUR_ACTIONS = {kinto: ours for ours, kinto in KINTO_ACTIONS.items()}


@dataclass(frozen=True, slots=True)
class ListenerRequest:
    """Who did it. `prefixed_userid` is empty where nobody was logged in."""

    prefixed_userid: str
    method: str
    path: str


class ListenerEvent:
    """An event in Kinto's vocabulary; the event itself is `event`."""

    def __init__(self, event: Event) -> None:
        self.event = event
        actor, request = event.actor, event.request
        userid = f"django:{actor.username}" if actor else ""
        self.request = ListenerRequest(userid, request.method if request else "", request.path if request else "")

    @property
    def payload(self) -> dict[str, Any]:
        """What happened to what: `action`, `resource_name`, `uri`, `user_id`, `timestamp` (ms), the object's id."""
        event = self.event
        app, _, name = event.resource.rpartition(".")
        return {
            "action": KINTO_ACTIONS.get(event.action, event.action),
            "resource_name": name,
            "app_name": app,
            "uri": with_facts(event).uri or plain_uri(event),
            "user_id": self.request.prefixed_userid,
            "timestamp": int(event.time.timestamp() * 1000),
            f"{name}_id": event.object_id,
            "event_id": str(event.id),
        }

    @property
    def impacted_records(self) -> list[dict[str, Any]]:
        """`[{"new": …, "old": …}]`; a created object has no `old`, a deleted one no `new`."""
        event = self.event
        if event.action == "created":
            return [{"new": dict(event.snapshot)}]
        if event.action == "deleted":
            return [{"old": dict(event.snapshot)}]
        old = {**event.snapshot, **{name: before for name, (before, _) in event.changes.items()}}
        return [{"new": dict(event.snapshot), "old": old}]


class ListenerBase(ABC):
    """Base of listeners: an object that is called with each event that its configuration asks for."""

    @abstractmethod
    def __call__(self, event: ListenerEvent) -> None:
        """Act on an event. Raising is logged and counted; with `when: durable` it is called again later."""
