"""The index: which subscriptions an event concerns, found in memory. Nothing in it ever changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from django.db.models import Model

from heliostat.events.event import Event
from heliostat.events.shards import Groups, Shards
from heliostat.events.subscriptions import NOT_COMPARABLE, Interest, Key, Subscription
from heliostat.events.types import is_observable, is_silent, lineage, types_of

REMEMBERED = 10_000
WILD = frozenset("*?[")


class Patterns:
    """The event types that subscribers named; immutable but for its memory of what was looked up."""

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
            found = self._look_up(event_type)
            if len(self._found) < REMEMBERED:  # custom event types could be without number
                self._found[event_type] = found
        return found

    def _look_up(self, event_type: str) -> frozenset[str]:
        if is_silent(event_type):
            return frozenset()
        wild = [pattern for pattern in self._wild if fnmatchcase(event_type, pattern)]
        return frozenset([*wild, event_type] if event_type in self.names else wild)

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


class _Family:
    """The subscribers of one pattern whose keys have one name, by the values of their keys."""

    __slots__ = ("_by_value", "_value_of")

    def __init__(self, key: Key, by_value: Groups[Any, Interest] | None = None) -> None:
        self._value_of = key.value_of
        self._by_value: Groups[Any, Interest] = Groups() if by_value is None else by_value

    def __len__(self) -> int:
        return len(self._by_value)

    def candidates(self, event: Event) -> Iterable[Interest]:
        """Those that this event may concern."""
        try:
            value = self._value_of(event)
            return self._by_value.values() if value is NOT_COMPARABLE else self._by_value.get(value)
        except Exception:  # each condition finds the same, and says so for its own subscriber
            return self._by_value.values()

    def replaced(self, key: Key, gone: Iterable[Interest], come: Iterable[Interest]) -> _Family:
        return _Family(key, self._by_value.replaced(_by_values(gone), _by_values(come)))


def _by_values(interests: Iterable[Interest]) -> Iterable[tuple[Any, Interest]]:
    return ((value, one) for one in interests if one.key is not None for value in one.key.values)


class _Bucket:
    """The subscribers of one pattern that asked of any object."""

    __slots__ = ("_families", "_plain")

    def __init__(self, plain: tuple[Interest, ...] = (), families: Mapping[str, _Family] | None = None) -> None:
        self._plain = plain
        self._families = families or {}

    def __bool__(self) -> bool:
        return bool(self._plain or self._families)

    def candidates(self, event: Event) -> list[Interest]:
        """Those that this event may concern."""
        found = list(self._plain)
        for family in self._families.values():
            found += family.candidates(event)
        return found

    def replaced(self, gone: list[Interest], come: list[Interest]) -> _Bucket:
        """Return a bucket without some, and with others."""
        ids = {id(one) for one in gone if one.key is None}
        plain = tuple(one for one in self._plain if id(one) not in ids) if ids else self._plain
        plain += tuple(one for one in come if one.key is None)
        changes: dict[str, tuple[Key, list[Interest], list[Interest]]] = {}
        for side, interests in ((1, gone), (2, come)):
            for one in interests:
                if one.key is not None:
                    changes.setdefault(one.key.name, (one.key, [], []))[side].append(one)  # type: ignore[union-attr]
        families = dict(self._families)
        for name, (key, less, more) in changes.items():
            families[name] = families.get(name, _Family(key)).replaced(key, less, more)
        return _Bucket(plain, {name: family for name, family in families.items() if len(family)})


class Matcher:
    """An index over subscribers. Immutable: a change makes another, which shares all that did not change."""

    def __init__(self) -> None:
        self.patterns = Patterns()
        self._interests: Shards[int, Interest] = Shards()
        self._buckets: Shards[str, _Bucket] = Shards()
        self._of_objects: Groups[str, Interest] = Groups()
        self._named: Mapping[str, int] = {}
        self._refusing: Mapping[str, int] = {}

    @classmethod
    def of_patterns(cls, names: frozenset[str]) -> Matcher:
        """Return an index that knows the event types, but not their subscribers."""
        made = cls()
        made.patterns = Patterns(names)
        return made

    def match(self, event: Event) -> list[Subscription]:
        """Return the subscriptions that this event concerns, in order: one for each subscriber and phase."""
        found = self.patterns.found(event.type)
        candidates: list[Interest] = []
        for pattern in found:
            if (bucket := self._buckets.get(pattern)) is not None:
                candidates += bucket.candidates(event)
        if found and event.object_id is not None:
            candidates += [one for one in self._of_objects.get(event.object_id) if not found.isdisjoint(one.patterns)]
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
        """All subscribers, in no order."""
        return self._interests.values()

    def replaced(self, changes: Mapping[int, Interest | None]) -> Matcher:
        """Return an index with these subscribers, by their `order`; None removes one."""
        gone = [old for order in changes if (old := self._interests.get(order)) is not None]
        come = [new for new in changes.values() if new is not None]
        made = Matcher.__new__(Matcher)
        made._interests = self._interests.replaced(changes)
        made._of_objects = self._of_objects.replaced(_by_object(gone), _by_object(come))
        made._buckets = self._replaced_buckets(gone, come)
        made._named = _counted(self._named, (one.patterns for one in gone), (one.patterns for one in come))
        made._refusing = _counted(self._refusing, (one.refusing for one in gone), (one.refusing for one in come))
        is_same = made._named.keys() == self._named.keys() and made._refusing.keys() == self._refusing.keys()
        made.patterns = self.patterns if is_same else Patterns(frozenset(made._named), frozenset(made._refusing))
        return made

    def _replaced_buckets(self, gone: list[Interest], come: list[Interest]) -> Shards[str, _Bucket]:
        changes: dict[str, tuple[list[Interest], list[Interest]]] = {}
        for side, interests in ((0, gone), (1, come)):
            for one in interests:
                for pattern in () if one.object_id is not None else one.patterns:
                    changes.setdefault(pattern, ([], []))[side].append(one)
        return self._buckets.replaced(
            {
                pattern: (self._buckets.get(pattern) or _Bucket()).replaced(less, more) or None
                for pattern, (less, more) in changes.items()
            }
        )

    def with_new_memory(self) -> Matcher:
        """Return the same index, which looks event types and models up again: settings changed."""
        made = self.replaced({})
        made.patterns = Patterns(self.patterns.names, self.patterns.refusing)
        return made


def _by_object(interests: Iterable[Interest]) -> Iterable[tuple[str, Interest]]:
    return ((one.object_id, one) for one in interests if one.object_id is not None)


def _counted(
    counts: Mapping[str, int], gone: Iterable[Iterable[str]], come: Iterable[Iterable[str]]
) -> Mapping[str, int]:
    changed: defaultdict[str, int] = defaultdict(int)
    for side, interests in ((1, come), (-1, gone)):
        for patterns in interests:
            for pattern in patterns:
                changed[pattern] += side
    if not any(changed.values()):
        return counts
    made = dict(counts)
    for pattern, change in changed.items():
        made[pattern] = made.get(pattern, 0) + change
        if not made[pattern]:
            del made[pattern]
    return made
