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
    """A fact. Immutable; `type` is `resource.action`, for example `targets.target.created`.

    `snapshot` is the object's row as it was then, by field name. `changes` holds `(old, new)` by field name.
    `uri` and `text` are the object's address and its `str()`, as they were then; they are there for subscribers in
    Python. `instance` is the live object, there only in the process where the event happened (and rebuilt from the
    snapshot for durable subscribers). `arguments` are what a custom signal carried. `depth` counts how many
    subscribers' changes led here. `origin` is the event of the same change for the object's own model, where this one
    is for a parent model: a subscriber of both gets that one only.
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
