"""Who asked to know: subscriptions, found in memory.

Sources (code hooks, listeners, web hooks) hand over their subscriptions; they are indexed once, and again
when a source says that something changed. Matching an event is a look-up in a dictionary.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Model

from heliostat.conf import conf
from heliostat.events.context import quiet
from heliostat.events.event import Event, Phase
from heliostat.events.resources import ACTIONS, resource_of

Promise = Callable[[Event], "str | None"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One subscriber's wish to know.

    `name` identifies the subscriber for ever (`hook:7`, `code:mytom.hooks.tell`). `pattern` is an event type,
    perhaps with `*`. `tell` is called for the phases `in_transaction` and `after_commit`. For `durable`, `body`
    renders what is to be sent, or gives None where the event's own body will do; `ordered` asks for the events of
    each object to be told one after the other.
    """

    name: str
    pattern: str
    phase: Phase
    tell: Callable[[Event], Any] | None = None
    body: Promise | None = None
    object_id: str | None = None
    condition: Callable[[Event], bool] | None = None
    ordered: bool = False

    def wants(self, event: Event) -> bool:
        return self.condition is None or self.condition(event)


REMEMBERED = 10_000

Source = Callable[[], Iterable[Subscription]]


class Matcher:
    """An index over all subscriptions; immutable but for its memory of what it has looked up."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._of_any: dict[str, list[Subscription]] = {}
        self._of_one: dict[str, dict[str, list[Subscription]]] = {}
        for subscription in subscriptions:
            self._add(subscription)
        self._patterns = tuple(self._of_any.keys() | self._of_one.keys())
        self._asked: dict[type[Model], bool] = {}
        self._refusing = tuple({s.pattern for s in subscriptions if s.phase is Phase.IN_TRANSACTION})
        self._refusable: dict[type[Model], bool] = {}
        self._found: dict[str, tuple[str, ...]] = {}

    def _add(self, subscription: Subscription) -> None:
        if subscription.object_id is None:
            self._of_any.setdefault(subscription.pattern, []).append(subscription)
        else:
            objects = self._of_one.setdefault(subscription.pattern, {})
            objects.setdefault(subscription.object_id, []).append(subscription)

    def asked_of(self, model: type[Model]) -> bool:
        """Whether anybody asked to know of the creation, change or deletion of objects of a model."""
        asked = self._asked.get(model)
        if asked is None:
            asked = self._asked[model] = can_be_told(model) and any(map(self._patterns_for, _types_of(model)))
        return asked

    def asked_of_type(self, event_type: str) -> bool:
        """Whether anybody asked to know of such events."""
        return bool(self._patterns_for(event_type))

    def can_be_refused(self, model: type[Model]) -> bool:
        """Whether a subscriber may undo the creation or change of such an object."""
        refusable = self._refusable.get(model)
        if refusable is None:
            refusable = self._refusable[model] = any(
                pattern in self._refusing for name in _types_of(model)[:2] for pattern in self._patterns_for(name)
            )
        return refusable

    def match(self, event: Event) -> list[Subscription]:
        """The subscriptions that this event concerns, in the order in which they were made."""
        matched: list[Subscription] = []
        for pattern in self._patterns_for(event.type):
            matched += self._of_any.get(pattern, ())
            if event.object_id is not None and pattern in self._of_one:
                matched += self._of_one[pattern].get(event.object_id, ())
        return [subscription for subscription in matched if subscription.wants(event)]

    def _patterns_for(self, event_type: str) -> tuple[str, ...]:
        found = self._found.get(event_type)
        if found is None:
            found = () if is_silent(event_type) else tuple(p for p in self._patterns if fnmatchcase(event_type, p))
            if len(self._found) < REMEMBERED:  # custom event types could be without number
                self._found[event_type] = found
        return found


def _types_of(model: type[Model]) -> tuple[str, ...]:
    return tuple(f"{resource_of(model)}.{action}" for action in ACTIONS)


def can_be_told(model: type[Model]) -> bool:
    """Whether anybody may be told of such objects: models with `heliostat_silent = True` are working material.

    Models that are not the project's (historical ones of a migration, the table of applied migrations) are never told.
    """
    is_of_project = model._meta.apps is apps
    return is_of_project and not (getattr(model, "heliostat_silent", False) or is_silenced(model))


def is_silenced(model: type[Model]) -> bool:
    """Whether HELIOSTAT_SILENT names all that happens to such objects."""
    return all(map(is_silent, _types_of(model)))


def is_silent(event_type: str) -> bool:
    """Whether HELIOSTAT_SILENT says that such events are told to nobody."""
    return any(fnmatchcase(event_type, pattern) for pattern in conf.silent)


class Provisional:
    """A change of a source that is not committed yet; Django forgets the marker when it is rolled back."""

    def __init__(self, source: str, using: str) -> None:
        self.source = source
        self.is_committed = False
        self._connection = transaction.get_connection(using)
        self._marker = self._commit
        transaction.on_commit(self._marker, using=using)

    def _commit(self) -> None:
        # A test that runs what waits for a commit inside its own transaction commits nothing.
        self.is_committed = not self._connection.in_atomic_block

    def is_rolled_back(self) -> bool:
        return not self.is_committed and all(entry[1] is not self._marker for entry in self._connection.run_on_commit)


class Registry:
    """The sources of subscriptions, and the matcher made of them.

    The matcher is made when a process opens its first database connection, and anew when a source changes;
    never while an event is on its way.
    """

    def __init__(self) -> None:
        self._sources: dict[str, Source] = {}
        self._is_current: dict[str, Callable[[], bool]] = {}
        self._known: dict[str, tuple[Subscription, ...]] = {}
        self._matcher: Matcher | None = None
        self._observers: list[Callable[[Matcher | None], None]] = []
        self._provisional: list[Provisional] = []
        self._lock = threading.RLock()  # an older answer of a source must not overwrite a newer one

    def add(self, name: str, source: Source, is_current: Callable[[], bool] = lambda: True) -> None:
        """Register a source; it is asked when the matcher is made.

        `is_current` says whether what it answered last is still true, where other processes may change it.
        """
        self._sources[name] = source
        self._is_current[name] = is_current
        self._known.pop(name, None)
        self._unmake()

    def remove(self, name: str) -> None:
        """Forget a source."""
        self._sources.pop(name, None)
        self._is_current.pop(name, None)
        self._known.pop(name, None)
        self._unmake()

    def observe(self, observer: Callable[[Matcher | None], None]) -> None:
        """Call `observer` with each new matcher, and with None while it is not known who asked."""
        self._observers.append(observer)

    def refresh(self, name: str, using: str | None = None) -> None:
        """A source changed: ask it again, and match by its answer from now on.

        `using` is the database where it changed; should that transaction be rolled back, the source is asked anew.
        """
        with self._lock:
            self._known[name] = _asked(self._sources[name])
            self._build()
        if using is not None and transaction.get_connection(using).in_atomic_block:
            self._provisional.append(Provisional(name, using))

    def catch_up(self) -> None:
        """Ask those sources again that changed in another process; else they are asked within a moment."""
        for name in [name for name, is_current in self._is_current.items() if not is_current()]:
            self.refresh(name)

    def subscriptions(self) -> list[Subscription]:
        for name, source in self._sources.items():
            if name not in self._known:
                self._known[name] = _asked(source)
        return [subscription for name in self._sources for subscription in self._known[name]]

    @property
    def matcher(self) -> Matcher:
        if self._provisional:
            self._settle_provisional()
        return self._matcher or self._build()

    def _settle_provisional(self) -> None:
        rolled_back = [one for one in self._provisional if one.is_rolled_back()]
        self._provisional = [one for one in self._provisional if not one.is_committed and one not in rolled_back]
        for name in {one.source for one in rolled_back}:
            self.refresh(name)

    def forget(self) -> None:
        """Ask every source again at the next event (settings changed)."""
        self._known.clear()
        self._unmake()

    def _unmake(self) -> None:
        self._matcher = None
        if apps.ready:
            for observer in self._observers:
                observer(None)

    def _build(self) -> Matcher:
        with self._lock:
            self._matcher = matcher = Matcher(self.subscriptions())
            for observer in self._observers:
                observer(matcher)
        return matcher


def _asked(source: Source) -> tuple[Subscription, ...]:
    """What a source asks for. Looking for it is nothing to tell of: who is to be told is just what is not known."""
    with quiet():
        return tuple(source())


registry = Registry()
