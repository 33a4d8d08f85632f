"""A subscription, and what the index keeps of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from heliostat.events.event import Event, Phase

RenderBody = Callable[[Event], "str | None"]


class _NotComparable:
    """The type of `NOT_COMPARABLE`."""


NOT_COMPARABLE: Final = _NotComparable()
"""What `Key.value_of` returns where only the conditions themselves can decide."""


class Key(NamedTuple):
    """A necessary condition by which the index finds a subscription: a value of the event is one of `values`.

    Keys with the same `name` must have the same `value_of`. Where it raises, or returns `NOT_COMPARABLE`, the
    conditions of all subscriptions with such a key are asked.
    """

    name: str
    value_of: Callable[[Event], Hashable]
    values: frozenset[Hashable]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscriber's wish to know.

    `name` identifies the subscriber for ever (`hook:7`, `code:mytom.hooks.notify`). `pattern` is an event type,
    perhaps with `*`. `handler` is called for the phases `in_transaction` and `after_commit`. For `durable`, `body`
    renders what is to be sent, or gives None where the event's own body will do; `ordered` asks for the events of
    each object to be delivered one after the other.
    """

    name: str
    pattern: str
    phase: Phase
    handler: Callable[[Event], Any] | None = None
    body: RenderBody | None = None
    object_id: str | None = None
    condition: Callable[[Event], bool] | None = None
    ordered: bool = False

    def wants(self, event: Event) -> bool:
        return self.condition is None or self.condition(event)


class Interest:
    """One subscriber in the index; its subscriptions are made when an event may concern them.

    `order` is unique, and says in which order subscribers are notified. `patterns` are the event types, perhaps with
    `*`; none for a subscriber that is kept, but notified of nothing.
    """

    __slots__ = ("_made", "key", "object_id", "order", "patterns")

    def __init__(
        self, order: int, patterns: tuple[str, ...], object_id: str | None = None, key: Key | None = None
    ) -> None:
        self.order = order
        self.patterns = patterns
        self.object_id = object_id
        self.key = key
        self._made: tuple[Subscription, ...] | None = None

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The subscriptions, one a pattern."""
        if self._made is None:
            self._made = self.make()
        return self._made

    @property
    def name(self) -> str:
        """The name of the subscriber."""
        return self.subscriptions[0].name if self.subscriptions else ""

    @property
    def refusing(self) -> Sequence[str]:
        """Those patterns for which the subscriber may refuse a creation or change."""
        return ()

    def make(self) -> tuple[Subscription, ...]:
        """Make the subscriptions."""
        raise NotImplementedError


class Ready(Interest):
    """A subscription that is made already."""

    __slots__ = ()

    def __init__(self, order: int, subscription: Subscription) -> None:
        super().__init__(order, (subscription.pattern,), subscription.object_id)
        self._made = (subscription,)

    @property
    def refusing(self) -> Sequence[str]:
        return [one.pattern for one in self.subscriptions if one.phase is Phase.IN_TRANSACTION]
