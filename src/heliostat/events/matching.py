"""The registry: the sources of subscriptions, and the index that is made of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import count
from typing import Any, Protocol

from django.apps import apps
from django.db import connections

from heliostat.events import overlay
from heliostat.events.context import quiet
from heliostat.events.event import Phase
from heliostat.events.subscriptions import Interest, Matcher, Patterns, Ready, Subscription

RANK = 64  # bits below the rank of a source in the `order` of its subscribers

Source = Callable[[], Iterable[Subscription]]


class Live(Protocol):
    """A source whose subscribers are rows of a database, which other processes and open transactions change."""

    @property
    def using(self) -> str:
        """Return the database that they are in."""
        ...

    @property
    def is_known(self) -> bool:
        """Return whether the registry has what is committed, as far as it can be read."""
        ...

    def look(self) -> None:
        """See that the registry knows the committed rows, where it does not: call `apply()`, or `add_overlay()`.

        Called where an event finds that too little is known. It raises nothing.
        """
        ...

    def catch_up(self) -> None:
        """Read what was committed since; nothing while a transaction is open here, which might see its own changes."""
        ...

    def connected(self, connection: Any) -> None:
        """A connection was opened, to this database or to another."""
        ...

    def again(self, interest: Interest) -> Interest:
        """Make a subscriber again from what is known of its row: settings changed."""
        ...


class Registry:
    """The sources of subscriptions, and the index made of them.

    All threads share one index, made of what is committed. A transaction that changes subscribers sees its own changes
    by an overlay on its connection.
    """

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}
        self._ranks: dict[str, int] = {}
        self._next_rank = count()
        self._orders: dict[str, list[int]] = {}  # by source, the `order` of each of its subscriptions
        self._stale: set[str] = set()
        self._live: Live | None = None
        self._live_rank = 0
        self._matcher = Matcher()
        self._current: Matcher | None = None  # None: something must be looked up first
        self._on_patterns: list[Callable[[Patterns | None], None]] = []
        self._announced: frozenset[str] | None = None
        self._lock = threading.RLock()  # held while memory is changed, never during a query
        os.register_at_fork(after_in_child=self._after_fork)

    def add(self, name: str, source: Source) -> None:
        """Register a source; it is read at the next event."""
        with self._lock:
            self._sources[name] = source
            self._rank(name)
            self._invalidate(name)

    def add_live(self, name: str, live: Live) -> None:
        """Register the source whose subscribers are rows (one)."""
        self._live, self._live_rank = live, self._rank(name)

    def _rank(self, name: str) -> int:
        if name not in self._ranks:
            self._ranks[name] = next(self._next_rank)
        return self._ranks[name]

    def remove(self, name: str) -> None:
        """Forget a source."""
        with self._lock:
            self._sources.pop(name, None)
            self._ranks.pop(name, None)
            self._matcher = self._matcher.replaced(dict.fromkeys(self._orders.pop(name, ())))
            self._invalidate()

    def on_patterns(self, function: Callable[[Patterns | None], None]) -> None:
        """Call `function` when subscribers name other event types, and with None while these are not known."""
        self._on_patterns.append(function)

    @property
    def matcher(self) -> Matcher:
        """Return the index of what is committed, and of what the open transaction of this thread changed."""
        if overlay.open_layers or self._current is None:
            return self._matcher_here()
        return self._current

    def _matcher_here(self) -> Matcher:
        if self._live is not None:
            self._live.look()
        below = self._current or self._build()
        if overlay.open_layers == {overlay.ENDED}:  # the patterns of transactions that ended
            overlay.open_layers.discard(overlay.ENDED)
            if self._announced is not None and self._announced != below.patterns.names:
                self._announce(below.patterns.names)
        if self._live is None or not overlay.open_layers:
            return below
        found = overlay.overlay_of(connections[self._live.using])
        if found is None:
            return below
        view = found.over(below, self._is_live)
        if self._announced is None or not view.patterns.names <= self._announced:
            self._announce(view.patterns.names)
        return view

    def durable(self, names: Collection[str]) -> dict[str, Subscription]:
        """Return a durable subscription of each of these subscribers that is there."""
        found = (
            one for interest in self.matcher.interests() if interest.name in names for one in interest.subscriptions
        )
        return {one.name: one for one in found if one.phase is Phase.DURABLE and one.name in names}

    def _is_live(self, interest: Interest) -> bool:
        return interest.order >> RANK == self._live_rank

    def order(self, key: int) -> int:
        """Return the `order` of the live subscriber with this key."""
        return (self._live_rank << RANK) | key

    def live_orders(self) -> list[int]:
        """Return the `order` of each live subscriber that is known to be committed."""
        return [one.order for one in self._matcher.interests() if self._is_live(one)]

    def apply(self, changes: Mapping[int, Interest | None]) -> None:
        """Live subscribers changed, and that is committed."""
        with self._lock:
            self._matcher = self._matcher.replaced(changes)
            if self._current is not None:
                self._current = self._matcher
            if self._announced is not None and self._matcher.patterns.names != self._announced:
                self._announce(self._matcher.patterns.names)

    def interest(self, order: int) -> Interest | None:
        """Return a subscriber as it was committed, as far as is known."""
        return self._matcher.interest(order)

    def add_overlay(
        self, changes: Mapping[int, Interest | None], committed: Callable[[], None], *, is_whole: bool = False
    ) -> None:
        """Live subscribers changed in the transaction that is open here; `committed` is called when it commits."""
        assert self._live is not None
        connection = connections[self._live.using]
        overlay.overlay_on(connection).add(changes, connection, committed, is_whole=is_whole)
        self.matcher  # noqa: B018  announces the patterns of now

    @property
    def has_whole_overlay(self) -> bool:
        """Return whether this thread's transaction knows all that there is by itself."""
        found = overlay.overlay_of(connections[self._live.using]) if self._live and overlay.open_layers else None
        return found is not None and found.is_whole

    def connected(self, connection: Any) -> None:
        """A connection was opened: know who is subscribed before the first change."""
        if self._live is not None:
            self._live.connected(connection)
        if not connection.in_atomic_block:
            self.matcher  # noqa: B018  makes it

    def catch_up(self) -> None:
        """Ask for what changed in other processes; else it is known within a moment."""
        if self._live is not None:
            self._live.catch_up()

    def refresh(self, name: str) -> None:
        """Read a source again at the next event: its subscriptions changed."""
        with self._lock:
            self._invalidate(name)

    def settings_changed(self) -> None:
        """Make all subscriptions again, by the settings of now, at the next event. It makes no query."""
        with self._lock:
            self._matcher = self._matcher.with_new_memory()
            if (live := self._live) is not None:
                known = [one for one in self._matcher.interests() if self._is_live(one)]
                self._matcher = self._matcher.replaced({one.order: live.again(one) for one in known})
                if overlay.open_layers and (found := overlay.overlay_of(connections[live.using])) is not None:
                    found.rebuild(live.again)
            self._invalidate(*self._sources)

    def _invalidate(self, *stale: str) -> None:
        self._stale |= {*stale}
        self._current = None
        if apps.ready and self._announced is not None:
            self._announce(None)

    def _build(self) -> Matcher:
        with self._lock:
            changes: dict[int, Interest | None] = {}
            for name in sorted(self._stale & self._sources.keys()):
                changes |= self._read_source(name)
            self._stale.clear()
            if changes:
                self._matcher = self._matcher.replaced(changes)
            if self._live is None or self._live.is_known:
                self._current = self._matcher
            if self._matcher.patterns.names != self._announced:
                self._announce(self._matcher.patterns.names)
            return self._matcher

    def _read_source(self, name: str) -> dict[int, Interest | None]:
        """Return the changes of a source. Looking for them publishes no events: the subscribers are not known yet."""
        with quiet():
            subscriptions = tuple(self._sources[name]())
        first = self._rank(name) << RANK
        changes: dict[int, Interest | None] = dict.fromkeys(self._orders.get(name, ()))
        changes |= {first + number: Ready(first + number, one) for number, one in enumerate(subscriptions)}
        self._orders[name] = list(range(first, first + len(subscriptions)))
        return changes

    def _announce(self, names: frozenset[str] | None) -> None:
        """Announce the patterns of all that is committed, and of what open transactions may commit."""
        with self._lock:
            if names is not None and self._announced is not None and overlay.open_layers:
                names |= self._announced
            self._announced = names
            patterns = None if names is None else Patterns(names)
            for function in self._on_patterns:
                function(patterns)

    def _after_fork(self) -> None:
        """Make a new lock, which a thread of the parent may have held, and read the sources again."""
        self._lock = threading.RLock()
        overlay.open_layers.clear()
        self._current = None


registry = Registry()
