"""The kinds of subscribers, by the word before the colon of their names (`hook:7`): what the outbox must know of them.

Each kind is one object, a `heliostat.delivery.kinds.SubscriberKind`, registered when its app is ready.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

Dispatcher = Callable[[Sequence[int], str], Any]
"""Called after a commit with ids of callbacks and the alias of their database: sends them, or has them sent."""


class Kind(Protocol):
    """What the outbox must know of a kind of subscribers."""

    @property
    def name(self) -> str:
        """Return the word before the colon."""
        ...

    def dispatcher(self) -> Dispatcher | None:
        """Return what sends callbacks right after their commit; None leaves them to a worker."""
        ...

    def admin_url(self, subscriber: str) -> str:
        """Return the address of its page in the admin, empty where it has none. May raise `NoReverseMatch`."""
        ...


_kinds: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    """Register a kind, in place of one with the same name."""
    _kinds[kind.name] = kind


def registered() -> Collection[Kind]:
    """Return all kinds."""
    return _kinds.values()


def kind_of(subscriber: str) -> Kind | None:
    """Return the kind of a subscriber, where it is registered."""
    return _kinds.get(subscriber.partition(":")[0])
