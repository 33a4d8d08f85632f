"""The base class of listeners, and the event that they get."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from heliostat.events.dispatch import plain_uri, with_facts
from heliostat.events.event import Event
from heliostat.listeners.config import Registry

KINTO_ACTIONS = {"created": "create", "updated": "update", "deleted": "delete"}
OUR_ACTIONS = {kinto: ours for ours, kinto in KINTO_ACTIONS.items()}


@dataclass(frozen=True, slots=True)
class ListenerRequest:
    """The request of the event. `prefixed_userid` is None if no user was logged in.

    `registry.settings` are the settings of all listeners, as `load_from_config` has them.
    """

    prefixed_userid: str | None
    method: str
    path: str
    registry: Registry


class ListenerEvent:
    """An event in the vocabulary of Kinto. `event` is the event itself."""

    def __init__(self, event: Event, registry: Registry) -> None:
        self.event = event
        actor, request = event.actor, event.request
        userid = f"django:{actor.username}" if actor else None
        method, path = (request.method, request.path) if request else ("", "")
        self.request = ListenerRequest(userid, method, path, registry)

    @property
    def payload(self) -> dict[str, Any]:
        """Return `action`, `resource_name`, `uri`, `user_id`, `timestamp` (in milliseconds) and the object's id."""
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
        """Return `[{"new": …, "old": …}]`; a created object has no `old`, a deleted one no `new`."""
        event = self.event
        if event.action == "created":
            return [{"new": dict(event.snapshot)}]
        if event.action == "deleted":
            return [{"old": dict(event.snapshot)}]
        old = {**event.snapshot, **{name: before for name, (before, _) in event.changes.items()}}
        return [{"new": dict(event.snapshot), "old": old}]


class ListenerBase(ABC):
    """Base class of listeners. Heliostat calls the object with each event that matches its configuration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: B027
        """Accept anything, as the base classes of Cliquet and Kinto do."""

    @abstractmethod
    def __call__(self, event: ListenerEvent) -> None:
        """Handle an event. An exception is logged; with `when: durable`, the listener is retried."""
