"""The base class of listeners, and the event that they get."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from heliostat.events.dispatch import plain_uri, resource_uri, with_facts
from heliostat.events.event import Event
from heliostat.events.types import READ, model_of
from heliostat.listeners.config import Registry
from heliostat.listeners.parents import parent_of

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
    """An event in the vocabulary of Kinto: one change, or the changes of a `batch()` with the same resource, parent and
    action. `event` is the event itself, the first one of a batch; `events` are all of them.
    """

    def __init__(self, events: Sequence[Event], registry: Registry) -> None:
        self.events = tuple(events)
        self.event = event = self.events[0]
        method, path = (event.request.method, event.request.path) if event.request else ("", "")
        users = {user_id(one) for one in self.events}
        self.request = ListenerRequest(users.pop() if len(users) == 1 else None, method, path, registry)

    def __repr__(self) -> str:
        payload = self.payload
        several = f" objects={len(self.events)}" if len(self.events) > 1 else ""
        return f"<ListenerEvent action={payload['action']} uri={payload['uri']}{several}>"

    @property
    def payload(self) -> dict[str, Any]:
        """Return what happened, to what, who did it and when; `timestamp` is in milliseconds.

        The keys are `timestamp`, `action`, `uri`, `user_id` (None for nobody), `resource_name`, `app_name`, `subpath`,
        `event_id`, the object's key as `<resource_name>_id` and that of its parent as `<field>_id`. Of several objects,
        `uri` is the address of the resource, and there is no object's key.
        """
        event = self.event
        app, _, name = event.resource.rpartition(".")
        is_one = len(self.events) == 1
        uri = uri_of(event) if is_one else resource_uri(event.resource)
        uri = self.request.path or uri if event.action == READ else uri
        keys = {f"{name}_id": event.object_id} if is_one else {}
        if parent := parent_of(event):
            keys |= [parent]
        payload = {
            "timestamp": int(event.time.timestamp() * 1000),
            "action": KINTO_ACTIONS.get(event.action, event.action),
            "uri": uri,
            "user_id": self.request.prefixed_userid,
            "resource_name": name,
            "app_name": app,
            "subpath": subpath(uri, self.request.path),
            "event_id": str(event.id),
        }
        return keys | payload  # of an object that is a user, `user_id` is still who changed it

    @property
    def impacted_objects(self) -> list[dict[str, Any]]:
        """Return `new` and `old` of each object, with the `event_id` and the `user_id` of its own change.

        A created object has no `old`; of a deleted one, `new` is `{"id": …, "deleted": True}`. Nothing if it was read.
        """
        changes = (event for event in self.events if event.action != READ)
        return [_impact(event) | {"event_id": str(event.id), "user_id": user_id(event)} for event in changes]

    @property
    def read_objects(self) -> list[dict[str, Any]]:
        """Return the objects that were read; nothing for other actions."""
        return [dict(event.snapshot) for event in self.events if event.action == READ]

    @property
    def impacted_records(self) -> list[dict[str, Any]]:
        """Return `impacted_objects`, under the name that Cliquet has for it."""
        return self.impacted_objects


def group_of(event: Event) -> Hashable:
    """Return what events of a batch have in common that a listener gets together: resource, parent and action."""
    return event.resource, parent_of(event), event.action


def user_id(event: Event) -> str | None:
    """Return the user of an event as `event.request.prefixed_userid` names them."""
    return f"django:{event.actor.username}" if event.actor else None


def uri_of(event: Event) -> str:
    """Return the address of the event's object: its own, else its resource and key as a path."""
    return with_facts(event).uri or plain_uri(event)


def subpath(uri: str, path: str) -> str:
    """Return what a path has below an address; empty where it is not below it."""
    base = uri.rstrip("/") + "/"
    return path.removeprefix(base).strip("/") if path.startswith(base) else ""


def _impact(event: Event) -> dict[str, Any]:
    new = dict(event.snapshot)
    if event.action == "created":
        return {"new": new}
    if event.action == "deleted":
        model = model_of(event.resource)
        key = new.get(model._meta.pk.name, event.object_id) if model is not None else event.object_id
        return {"new": {"id": key, "deleted": True}, "old": new}
    return {"new": new, "old": {**new, **{name: before for name, (before, _) in event.changes.items()}}}


class ListenerBase(ABC):
    """Base class of listeners. Heliostat calls the object with each event that matches its configuration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: B027
        """Accept anything, as the base classes of Cliquet and Kinto do."""

    @abstractmethod
    def __call__(self, event: ListenerEvent) -> None:
        """Handle an event. An exception is logged; with `when: durable`, the listener is retried."""
