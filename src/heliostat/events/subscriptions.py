"""Subscriptions, and the index that finds in memory those that an event concerns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from django.db.models import Model

from heliostat.events.event import Event, Phase
from heliostat.events.shards import Groups, Shards
from heliostat.events.types import READ, is_observable, is_read, is_silent, lineage, types_of

REMEMBERED = 10_000
WILD = frozenset("*?[")
RenderBody = Callable[[Event], "str | None"]


class _NotComparable:
    """The type of `NOT_COMPARABLE`."""


NOT_COMPARABLE: Final = _NotComparable()
"""What `Key.value_of` returns where only the conditions themselves can decide."""


class Key(NamedTuple):
    """A necessary condition by which the index finds a subscription: a value of the event is one of `values`.

    Keys with the same `name` must have the same `value_of`. Where it raises, or returns `NOT_COMPARABLE`, the
    conditions of all subscriptions with such a key decide.
    """

    name: str
    value_of: Callable[[Event], Hashable]
    values: frozenset[Hashable]


class Grouping(NamedTuple):
    """How a subscriber in this process gets the events of a `batch()`: those with one key together, in one call."""

    key_of: Callable[[Event], Hashable]
    handler: Callable[[Sequence[Event]], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What one subscriber subscribes to: event types, a phase, perhaps an object and a condition.

    `name` identifies the subscriber for ever (`hook:7`, `code:mytom.hooks.notify`). `pattern` is an event type,
    perhaps with `*`. `handler` is called for the phases `in_transaction` and `after_commit`. For `durable`, `body`
    renders what is to be sent, or gives None where the event's own body will do; `ordered` means that the events of
    each object are delivered one after the other, and `needs_facts` that what delivers them without a `handler` reads
    the event's `uri` and `text`. `grouping` is called in place of `handler` for the events of a batch.
    `key` is a necessary part of `condition`, by which the index finds the subscription.
    """

    name: str
    pattern: str
    phase: Phase
    handler: Callable[[Event], Any] | None = None
    body: RenderBody | None = None
    object_id: str | None = None
    condition: Callable[[Event], bool] | None = None
    ordered: bool = False
    needs_facts: bool = False
    grouping: Grouping | None = None
    key: Key | None = None

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
        """Return the subscriptions, one a pattern."""
        if self._made is None:
            self._made = self.make()
        return self._made

    @property
    def name(self) -> str:
        """Return the name of the subscriber."""
        return self.subscriptions[0].name if self.subscriptions else ""

    @property
    def refusing(self) -> Sequence[str]:
        """Return those patterns for which the subscriber may refuse a creation or change."""
        return ()

    def make(self) -> tuple[Subscription, ...]:
        """Make the subscriptions."""
        raise NotImplementedError


class Ready(Interest):
    """A subscription that is made already."""

    __slots__ = ()

    def __init__(self, order: int, subscription: Subscription) -> None:
        super().__init__(order, (subscription.pattern,), subscription.object_id, subscription.key)
        self._made = (subscription,)

    @property
    def refusing(self) -> Sequence[str]:
        return [one.pattern for one in self.subscriptions if one.phase is Phase.IN_TRANSACTION]


class Patterns:
    """The event types that subscribers named. Immutable, but it remembers what was looked up."""

    def __init__(self, names: frozenset[str] = frozenset(), refusing: frozenset[str] = frozenset()) -> None:
        self.names = names
        self.refusing = refusing
        self._wild = tuple(sorted(name for name in names if not WILD.isdisjoint(name)))
        self._found: dict[str, frozenset[str]] = {}
        self._levels: dict[type[Model], tuple[type[Model], ...]] = {}
        self._refusable: dict[type[Model], bool] = {}

    def found(self, event_type: str) -> frozenset[str]:
        """Return the patterns that an event type matches."""
        found = self._found.get(event_type)
        if found is None:
            if is_silent(event_type):
                found = frozenset()
            else:
                wild = [pattern for pattern in self._wild if fnmatchcase(event_type, pattern)]
                if is_read(event_type):
                    wild = [pattern for pattern in wild if pattern.endswith(f".{READ}")]
                found = frozenset(wild) | ({event_type} & self.names)
            if len(self._found) < REMEMBERED:  # there may be any number of custom event types
                self._found[event_type] = found
        return found

    def levels(self, model: type[Model]) -> tuple[type[Model], ...]:
        """Return the model of an object and its parents, as far as their objects' changes have subscribers."""
        levels = self._levels.get(model)
        if levels is None:
            found = [one for one in lineage(model) if is_observable(one) and any(map(self.found, types_of(one)))]
            levels = self._levels[model] = tuple(found)
        return levels

    def can_be_refused(self, model: type[Model]) -> bool:
        """Return whether a subscriber may undo the creation or change of such an object."""
        refusable = self._refusable.get(model)
        if refusable is None:
            types = [name for one in self.levels(model) for name in types_of(one)[:2]]
            refusable = self._refusable[model] = any(not self.refusing.isdisjoint(self.found(name)) for name in types)
        return refusable


NO_KEY = Key("", lambda _: None, frozenset([None]))
"""The key of subscribers without one."""

OBJECT = Key("object", lambda event: event.object_id, frozenset())
"""The key of subscribers to one object: its values are the keys of these objects."""

Family = tuple[Callable[[Event], Hashable], Groups[Hashable, Interest]]
"""The subscribers of one pattern whose keys have one name, by the values of their keys; see `Key`."""


def _by_value(interests: Iterable[Interest]) -> Iterator[tuple[Hashable, Interest]]:
    for one in interests:
        if one.object_id is not None:
            yield one.object_id, one
        else:
            yield from ((value, one) for value in (one.key or NO_KEY).values)


def _candidates(family: Family, event: Event) -> Iterable[Interest]:
    """Return those of a family that an event may concern."""
    value_of, by_value = family
    try:
        value = value_of(event)
        return by_value.values() if value is NOT_COMPARABLE else by_value.get(value)
    except Exception:  # each condition finds the same, and says so for its own subscriber
        return by_value.values()


class Matcher:
    """An index over subscribers. Immutable: a change makes another, which shares all that did not change."""

    def __init__(self) -> None:
        self.patterns = Patterns()
        self._interests: Shards[int, Interest] = Shards()
        self._families: Shards[str, Mapping[str, Family]] = Shards()  # by pattern, then by the name of the key
        self._refusing: Counter[str] = Counter()

    def match(self, event: Event) -> list[Subscription]:
        """Return the subscriptions that this event concerns, in order: one for each subscriber and phase."""
        found = self.patterns.found(event.type)
        candidates: list[Interest] = []
        for pattern in found:
            for family in (self._families.get(pattern) or {}).values():
                candidates += _candidates(family, event)
        if len(candidates) > 1:
            candidates = [one for _, one in sorted({one.order: one for one in candidates}.items())]
        matched = {}
        for candidate in candidates:
            for one in candidate.subscriptions:
                if one.pattern in found and (one.name, one.phase) not in matched and one.wants(event):
                    matched[one.name, one.phase] = one
        return list(matched.values())

    def interest(self, order: int) -> Interest | None:
        """Return the subscriber with this number, if there is one."""
        return self._interests.get(order)

    def interests(self) -> Iterable[Interest]:
        """Return all subscribers, in no order."""
        return self._interests.values()

    def replaced(self, changes: Mapping[int, Interest | None]) -> Matcher:
        """Return an index with these subscribers, by their `order`; None removes one."""
        gone = [old for order in changes if (old := self._interests.get(order)) is not None]
        come = [new for new in changes.values() if new is not None]
        families = self._replaced_families(gone, come)
        made = Matcher()
        made._interests = self._interests.replaced(changes)
        made._families = self._families.replaced(families)
        made._refusing = self._refusing.copy()
        made._refusing.update(pattern for one in come for pattern in one.refusing)
        made._refusing.subtract([pattern for one in gone for pattern in one.refusing])
        names = frozenset((self.patterns.names - families.keys()) | {name for name, some in families.items() if some})
        refusing = frozenset((+made._refusing).keys())
        is_same = names == self.patterns.names and refusing == self.patterns.refusing
        made.patterns = self.patterns if is_same else Patterns(names, refusing)
        return made

    def _replaced_families(self, gone: list[Interest], come: list[Interest]) -> dict[str, Mapping[str, Family] | None]:
        """Return the families of each pattern that changes; None where no subscriber is left."""
        changes: dict[tuple[str, str], tuple[Key, tuple[list[Interest], list[Interest]]]] = {}
        for side, interests in enumerate((gone, come)):
            for one in interests:
                key = OBJECT if one.object_id is not None else one.key or NO_KEY
                for pattern in one.patterns:
                    if (change := changes.get((pattern, key.name))) is None:
                        change = changes[pattern, key.name] = (key, ([], []))
                    change[1][side].append(one)
        replaced: dict[str, dict[str, Family]] = {}
        for (pattern, name), (key, (less, more)) in changes.items():
            families = replaced.setdefault(pattern, dict(self._families.get(pattern) or {}))
            _, by_value = families.pop(name, (None, Groups[Hashable, Interest]()))
            if len(by_value := by_value.replaced(_by_value(less), _by_value(more))):
                families[name] = (key.value_of, by_value)
        return {pattern: families or None for pattern, families in replaced.items()}

    def with_new_memory(self) -> Matcher:
        """Return the same index, which looks event types and models up again: settings changed."""
        made = self.replaced({})
        made.patterns = Patterns(self.patterns.names, self.patterns.refusing)
        return made
