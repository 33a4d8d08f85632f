"""What a transaction changed of the subscriptions: it sees that itself, and nobody else does until it commits.

A layer lives as long as Django keeps the callback that waits for the commit of the same change. Django drops it when
the transaction, or the savepoint in which it was registered, is rolled back; and when it has called it after the
commit. So a layer needs no query, and no call from us, to end at the right time.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction

from heliostat.events.subscriptions import Interest, Matcher

NAME = "heliostat_overlay"  # of the attribute of a connection
Changes = Mapping[int, "Interest | None"]

ENDED = object()
open_layers: set[object] = set()
"""Layers of any thread that are alive, and `ENDED` after some ended. While it is empty, there is nothing to look at."""


def _end(token: object) -> None:
    if token in open_layers:
        open_layers.add(ENDED)
        open_layers.discard(token)


class Layer:
    """The changes of one transaction or savepoint, by the `order` of subscribers. `is_whole`: there are no others."""

    def __init__(self, changes: Changes, is_whole: bool, connection: Any, committed: Callable[[], None]) -> None:
        self.changes = dict(changes)
        self.is_whole = is_whole
        self.savepoints = frozenset(connection.savepoint_ids)
        self._is_committed = False
        this = weakref.ref(self)

        def call() -> None:
            # A test that calls what waits for a commit, inside its own transaction, commits nothing.
            if any(entry[1] is call for entry in connection.run_on_commit):
                return
            if (layer := this()) is not None:
                layer._is_committed = True
            committed()

        transaction.on_commit(call, using=connection.alias, robust=True)
        entry = connection.run_on_commit[-1][0]  # a set of Django's own, there as long as the callback is
        self._token = token = object()
        open_layers.add(token)
        self._entry = weakref.ref(entry, lambda _: _end(token))

    def __del__(self) -> None:  # the callback above is not called for an object without references
        _end(self._token)

    @property
    def is_alive(self) -> bool:
        """Return whether the change is still to be committed.

        After the commit Django may keep its entry for a while: an error in a circle of references, as each
        `ValidationError` is, keeps the frames of the commit until the garbage is collected.
        """
        return not self._is_committed and self._entry() is not None


class Overlay:
    """The layers of one connection, oldest first."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self._below: Matcher | None = None
        self._view = Matcher()

    def add(self, changes: Changes, connection: Any, committed: Callable[[], None], *, is_whole: bool = False) -> None:
        """Remember changes of the transaction that is open. `committed` is called right after its commit."""
        self._forget_dead()
        top = self.layers[-1] if self.layers else None
        if top is not None and not is_whole and top.savepoints == frozenset(connection.savepoint_ids):
            top.changes.update(changes)
            if self._below is not None:
                self._view = self._view.replaced(changes)
        else:
            self.layers.append(Layer(changes, is_whole, connection, committed))
            self._below = None

    def _forget_dead(self) -> None:
        if not all(layer.is_alive for layer in self.layers):
            self.layers = [layer for layer in self.layers if layer.is_alive]
            self._below = None

    @property
    def is_whole(self) -> bool:
        """Return whether it needs nothing below it."""
        self._forget_dead()
        return any(layer.is_whole for layer in self.layers)

    def over(self, below: Matcher, is_live: Callable[[Interest], bool]) -> Matcher:
        """Return what this transaction sees; `is_live` marks the subscribers below that a whole layer replaces."""
        self._forget_dead()
        if self._below is not below:
            changes: dict[int, Interest | None] = {}
            for layer in self.layers:
                if layer.is_whole:
                    changes = dict.fromkeys(one.order for one in below.interests() if is_live(one))
                changes.update(layer.changes)
            self._view = below.replaced(changes) if self.layers else below
            self._below = below
        return self._view

    def rebuild(self, again: Callable[[Interest], Interest]) -> None:
        """Make each subscriber again: settings changed."""
        for layer in self.layers:
            layer.changes = {order: one and again(one) for order, one in layer.changes.items()}
        self._below = None


def overlay_of(connection: Any) -> Overlay | None:
    """Return the overlay of a connection that has one."""
    found: Overlay | None = connection.__dict__.get(NAME)
    return found


def overlay_on(connection: Any) -> Overlay:
    """Return the overlay of a connection, made where there is none."""
    found: Overlay = connection.__dict__.setdefault(NAME, Overlay())
    return found
