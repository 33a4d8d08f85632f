"""An event: a fact that something happened to one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from django.utils import timezone
from uuid_utils.compat import uuid7

NOTHING: Mapping[str, Any] = MappingProxyType({})


def _nothing() -> Mapping[str, Any]:
    return NOTHING


class Phase(StrEnum):
    """When a subscriber is notified."""

    IN_TRANSACTION = "in_transaction"
    AFTER_COMMIT = "after_commit"
    DURABLE = "durable"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a user of this site."""

    user_id: str
    username: str


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """In which request it was done."""

    id: str
    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An immutable fact about one object; `type` is `resource.action`, for example `targets.target.created`.

    `snapshot` is the row of the object at the time of the event, by field name. `changes` maps field names to
    `(old, new)`. `uri` and `text` are the object's `get_absolute_url()` and `str()` at that time, for subscribers in
    Python. `instance` is the live object in the process of the event; for durable subscribers, it is rebuilt from the
    snapshot. `arguments` are those of a custom signal. `depth` is the number of events that led to this one, each by a
    change of a subscriber. For an event of a parent model, `origin` is the id of the event of the object's own model:
    a subscriber of both gets only that one.
    """

    resource: str
    action: str
    object_id: str | None = None
    snapshot: Mapping[str, Any] = field(default_factory=_nothing)
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=_nothing)
    payload: Any = None
    arguments: Mapping[str, Any] = field(default_factory=_nothing)
    actor: Actor | None = None
    request: RequestInfo | None = None
    depth: int = 0
    uri: str | None = None
    text: str | None = None
    origin: UUID | None = None
    using: str = "default"
    id: UUID = field(default_factory=uuid7)
    time: datetime = field(default_factory=timezone.now)
    instance: Any = field(default=None, compare=False, repr=False)

    @property
    def type(self) -> str:
        return f"{self.resource}.{self.action}"
