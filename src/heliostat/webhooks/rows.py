"""Rows of hooks, as a process keeps them in memory, and the subscriptions that are made of them.

Of 100,000 hooks a process keeps 100,000 tuples, and whatever is alike in them once. Objects are made of those rows
alone that an event may concern.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Collection, Iterator
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model, QuerySet

from heliostat.conf import conf
from heliostat.events.context import quiet
from heliostat.events.event import Event, Phase
from heliostat.events.resources import resource_of
from heliostat.events.signals import listen_to
from heliostat.events.subscriptions import Interest, Key, Subscription
from heliostat.exceptions import ConfigurationError
from heliostat.webhooks import changes
from heliostat.webhooks.exceptions import InvalidSignalError
from heliostat.webhooks.filters import condition_for, key_of
from heliostat.webhooks.models import Hook
from heliostat.webhooks.paths import signal_in_row
from heliostat.webhooks.patterns import check_allowed, custom_signals, patterns_of, problems_of

logger = logging.getLogger("heliostat.webhooks")

AT_ONCE = 5000  # rows
FEW = 500  # rows that are asked for by their ids
# Nothing of it says who is notified of what. Where a payload asks for it all the same, it is read then.
LEFT_OUT = {
    "created",
    "modified",
    "failing_since",
    "disabled_because",
    "encrypted_secret",
    "encrypted_previous_secret",
    "previous_secret_until",
    "last_change",
}
FIELDS = tuple(field.attname for field in Hook._meta.concrete_fields if field.name not in LEFT_OUT)
COLUMNS = (*FIELDS, "model__app_label", "model__model")
PK, SIGNALS, FILTERS, MODEL, OBJECT, ENABLED = (
    FIELDS.index(name) for name in ("id", "signals", "filters", "model_id", "object_id", "enabled")
)
OWN = {PK, OBJECT, FIELDS.index("target_url"), FILTERS}  # hardly ever alike in two rows
SHARED = [index for index in range(len(COLUMNS)) if index not in OWN]

Row = tuple[Any, ...]


def rows(using: str, pks: Collection[int] | None = None) -> Iterator[Row]:
    """Read hooks that may be notified or that end with an object: of these ids, or all. In order of their ids."""
    living = Hook.objects.using(using).living().order_by("pk")
    if pks is not None and len(pks) <= FEW:
        yield from living.filter(pk__in=pks).values_list(*COLUMNS)
        return
    last = -1
    while found := list(living.filter(pk__gt=last).values_list(*COLUMNS)[:AT_ONCE]):
        yield from (row for row in found if pks is None or row[PK] in pks)
        last = found[-1][PK]


class HookInterest(Interest):
    """A hook in the index."""

    __slots__ = ("row", "using")

    def __init__(
        self, order: int, patterns: tuple[str, ...], object_id: str | None, key: Key | None, row: Row, using: str
    ) -> None:
        super().__init__(order, patterns, object_id, key)
        self.row = row
        self.using = using

    @property
    def name(self) -> str:
        return f"hook:{self.row[PK]}"

    def make(self) -> tuple[Subscription, ...]:
        """The subscriptions of the hook; the last pattern of a hook on one object is that of its end."""
        with quiet():  # to make the object is nothing to notify of
            hook = hook_of_row(self.row, self.using)
        try:
            ends = self.object_id is not None and hook.model is not None and hook.model.model_class() is not None
            asked = self.patterns[:-1] if ends else self.patterns
            condition = condition_for(hook) if asked else None
        except Exception:  # it was written past `save()`; that must not end whatever anybody saves
            logger.exception("hook %s is told nothing: save it to see why", hook.pk)
            return ()
        made = [
            Subscription(
                name=hook.subscriber,
                pattern=pattern,
                phase=Phase.DURABLE,
                body=hook.body,
                object_id=self.object_id,
                condition=condition,
                ordered=hook.ordered,
            )
            for pattern in asked
        ]
        if ends:
            made.append(_end_with_object(hook, self.patterns[-1], self.using))
        return tuple(made)


def hook_of_row(row: Row, using: str) -> Hook:
    """The hook of a row."""
    values = list(row[: len(FIELDS)])
    if type(values[SIGNALS]) is tuple:
        values[SIGNALS] = list(values[SIGNALS])
    values[FILTERS] = copy.deepcopy(values[FILTERS])  # a payload may do with its hook what it likes
    hook = Hook.from_db(using, FIELDS, values)
    if (model := _model_of(row)) is not None:
        Hook._meta.get_field("model").set_cached_value(hook, model)
    return hook


def _model_of(row: Row) -> ContentType | None:
    app_label, model = row[len(FIELDS) :]
    return None if row[MODEL] is None else ContentType(id=row[MODEL], app_label=app_label, model=model)


class Maker:
    """Makes subscribers of rows; remembers for as long as many are made what is alike in them.

    `is_read` says that the rows were just read: then signals are listened to, for which the database may be asked.
    """

    def __init__(self, using: str, order: Callable[[int], int], *, is_read: bool = True) -> None:
        self._is_read = is_read
        self._using = using
        self._order = order
        self._values: list[dict[Any, Any]] = [{} for _ in COLUMNS]
        self._patterns: dict[Any, tuple[tuple[str, ...], list[str]]] = {}
        self._whole: dict[Any, tuple[str, ...]] = {}
        self._ends: dict[Any, str | None] = {}
        self._no_filters: dict[str, Any] = {}

    def of_row(self, row: Row) -> HookInterest:
        """The subscriber of a row as it was read."""
        return self.again(self._shared(row))

    def again(self, row: Row) -> HookInterest:
        """The subscriber of a row that is kept. One that cannot be understood is kept, and notified of nothing."""
        order, object_id = self._order(row[PK]), row[OBJECT] or None
        try:
            patterns, key = self._understood(row)
        except Exception:  # it was written past `save()`; that must not end whatever anybody saves
            logger.exception("hook %s is told nothing: save it to see why", row[PK])
            patterns, key = (), None
        return HookInterest(order, patterns, object_id, key, row, self._using)

    def _shared(self, row: Row) -> Row:
        values = list(row)
        if type(signals := values[SIGNALS]) is list and all(type(one) is str for one in signals):
            values[SIGNALS] = tuple(signals)
        if values[FILTERS] == {}:
            values[FILTERS] = self._no_filters
        for index in SHARED:
            if (value := values[index]).__hash__ is not None:
                values[index] = self._values[index].setdefault(value, value)
        return tuple(values)

    def _understood(self, row: Row) -> tuple[tuple[str, ...], Key | None]:
        asked = self._asked(row) if row[ENABLED] else ()
        end = self._end(row) if row[OBJECT] else None
        key = key_of(row[FILTERS], asked) if asked and row[FILTERS] and not row[OBJECT] else None
        whole = asked if end is None else (*asked, end)
        return self._whole.setdefault(whole, whole), key

    def _asked(self, row: Row) -> tuple[str, ...]:
        which = row[SIGNALS], row[MODEL]
        if type(row[SIGNALS]) is not tuple:
            return patterns_of(row[SIGNALS], _model_of(row))  # raises what is wrong
        if which not in self._patterns:
            self._patterns[which] = self._looked_at(list(row[SIGNALS]), _model_of(row))
        patterns, problems = self._patterns[which]
        for problem in problems:
            logger.warning("hook %s%s", row[PK], problem)
        return () if conf.hooks_shut_down else patterns

    def _looked_at(self, signals: list[str], model: ContentType | None) -> tuple[tuple[str, ...], list[str]]:
        """The event types that signals stand for, and what is wrong with them that was right when they were saved."""
        patterns = patterns_of(signals, model)
        try:
            check_allowed(patterns)
        except InvalidSignalError as error:
            return (), [f" is told nothing: {error.message}"]
        if not self._is_read:
            return patterns, []
        try:
            listen_to(custom_signals(signals), signal_in_row)
            problems = list(problems_of(signals, model))
        except ConfigurationError as error:
            problems = [str(error)]
        return patterns, [f": {problem}" for problem in problems]

    def _end(self, row: Row) -> str | None:
        if (which := row[MODEL]) not in self._ends:
            model = _model_of(row)
            found: type[Model] | None = model.model_class() if model else None
            self._ends[which] = None if found is None else f"{resource_of(found)}.deleted"
        return self._ends[which]


def _end_with_object(hook: Hook, pattern: str, using: str) -> Subscription:
    """The hooks of an object end with it; what they were promised to be told, its deletion too, is still sent."""

    def object_deleted(event: Event) -> None:
        if event.using == using:  # in the same transaction as the object
            _end([hook.pk], using)
        else:
            _Ending.of(event.using, using).hooks.append(hook.pk)

    return Subscription(
        name=f"end of {hook.subscriber}",
        pattern=pattern,
        phase=Phase.IN_TRANSACTION,
        tell=object_deleted,
        object_id=hook.object_id,
    )


def _end(pks: list[int], using: str) -> None:
    with transaction.atomic(using=using, savepoint=False):
        QuerySet(Hook, using=using).filter(pk__in=pks).update(ended=True)
        changes.note(pks, using, deleted=True)


class _Ending:
    """Hooks of another database whose objects are deleted in a transaction, or in a savepoint of it.

    They end all at once when it commits: a deletion may take thousands with it.
    """

    def __init__(self, hooks_using: str) -> None:
        self.hooks: list[int] = []
        self._using = hooks_using

    def __call__(self) -> None:
        _end(self.hooks, self._using)

    @classmethod
    def of(cls, using: str, hooks_using: str) -> _Ending:
        connection = transaction.get_connection(using)
        savepoints = set(connection.savepoint_ids)
        for entry in connection.run_on_commit:
            if isinstance(entry[1], cls) and entry[0] == savepoints:
                return entry[1]
        ending = cls(hooks_using)
        transaction.on_commit(ending, using=using)
        return ending
