"""Rows of hooks, as a process keeps them in memory, and the subscriptions that are made of them.

Of 100,000 hooks a process keeps 100,000 small tuples, and once the values of all columns that many have in common,
which are converted and understood once, too. Objects are made of those rows alone that an event may concern.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator
from functools import partial
from typing import Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import EmptyResultSet
from django.db import connections, transaction
from django.db.models import Model, QuerySet

from heliostat.conf import conf
from heliostat.events.context import quiet
from heliostat.events.event import Event, Phase
from heliostat.events.filters import Condition, key_of, model_of_patterns
from heliostat.events.matching import registry
from heliostat.events.signals import listen_to
from heliostat.events.subscriptions import Interest, Key, Subscription
from heliostat.events.types import resource_of
from heliostat.exceptions import ConfigurationError
from heliostat.queues.named import is_queue
from heliostat.webhooks import changes
from heliostat.webhooks.event_patterns import (
    check_allowed,
    custom_signals,
    of_relations_alone,
    patterns_of,
    problems_of,
)
from heliostat.webhooks.exceptions import InvalidFiltersError, InvalidSignalError
from heliostat.webhooks.filters import compiled
from heliostat.webhooks.import_guard import signal_in_row
from heliostat.webhooks.models import Hook
from heliostat.webhooks.owners import may_be_notified_of, viewer_at_end
from heliostat.webhooks.payloads import body_for

logger = logging.getLogger("heliostat.webhooks")

AT_ONCE = 5000  # rows
FEW = 500  # rows that are read by their ids
# Columns that do not decide who is notified of what. Where a payload names one, it is read then.
LEFT_OUT = {
    "created",
    "modified",
    "failing_since",
    "disabled_because",
    "encrypted_secret",
    "encrypted_previous_secret",
    "previous_secret_until",
    "last_change",
    "viewer_at_end",
}
FIELDS = tuple(field.attname for field in Hook._meta.concrete_fields if field.name not in LEFT_OUT)
OWN = ("id", "object_id", "target_url", "filters")  # hardly ever alike in two hooks
ALIKE = tuple(name for name in FIELDS if name not in OWN)
SIGNALS, MODEL, ENABLED = (ALIKE.index(name) for name in ("signals", "model_id", "enabled"))

Alike = tuple[Any, ...]
"""The values of the columns `ALIKE`, then app label and name of the model."""


class Row(NamedTuple):
    """A hook: its own columns, `filters` as JSON text, and the others, which it may share with many."""

    pk: int
    object_id: str
    target_url: str
    filters: str
    alike: Alike


def rows(using: str, pks: Collection[int] | None = None) -> Iterator[Row]:
    """Read hooks that may be notified or that end with an object: of these ids, or all. In order of their ids."""
    living, reader = Hook.objects.using(using).living().order_by("pk"), _Reader(using)
    if pks is not None and len(pks) <= FEW:
        yield from reader.read(living.filter(pk__in=pks))
        return
    last = -1
    while found := reader.read(living.filter(pk__gt=last)[:AT_ONCE]):
        yield from (row for row in found if pks is None or row.pk in pks)
        last = found[-1].pk


class _Reader:
    """Reads hooks, and converts what is alike in them once: of 100,000 hooks Django would take 4 s for it."""

    def __init__(self, using: str) -> None:
        self._connection = connections[using]
        self._alike: dict[tuple[Any, ...], Alike] = {}  # by the values as the driver gave them
        self._values: dict[Any, Any] = {}

    def read(self, hooks: QuerySet[Hook]) -> list[Row]:
        query = hooks.values_list(*OWN, *ALIKE, "model__app_label", "model__model").query
        compiler = query.get_compiler(connection=self._connection)
        try:
            statement, parameters = compiler.as_sql()
        except EmptyResultSet:
            return []
        converters = compiler.get_converters([column[0] for column in compiler.select])
        with self._connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            found = cursor.fetchall()
        known, made, own = self._alike, [], len(OWN)
        for values in found:
            raw = values[own:]
            if (alike := known.get(raw)) is None:
                (converted,) = compiler.apply_converters([values], converters) if converters else ([*values],)
                alike = known[raw] = tuple(map(self._shared, converted[own:]))
            made.append(Row._make((*values[:own], alike)))
        return made

    def _shared(self, value: Any) -> Any:
        """Return the same value, once in memory."""
        if type(value) is list and all(type(one) is str for one in value):
            value = tuple(value)
        return value if value.__hash__ is None else self._values.setdefault((type(value), value), value)


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
        return f"hook:{self.row.pk}"

    def make(self) -> tuple[Subscription, ...]:
        """Return the subscriptions of the hook; the last pattern of a hook on one object is that of its end."""
        try:
            with quiet():  # to make the object is nothing to notify of
                hook = hook_of_row(self.row, self.using)
            ends = self.object_id is not None and hook.model is not None and hook.model.model_class() is not None
            patterns = self.patterns[:-1] if ends else self.patterns
            condition = condition_for(hook) if patterns else None
        except Exception:  # it was written past `save()`; that must not break a change of another program
            logger.exception("hook %s is notified of nothing: save it to see why", self.row.pk)
            return ()
        made = [
            Subscription(
                name=hook.subscriber,
                pattern=pattern,
                phase=Phase.DURABLE,
                body=partial(body_for, hook),
                object_id=self.object_id,
                condition=condition,
                ordered=hook.ordered,
                needs_facts=is_queue(hook.target_url),
            )
            for pattern in patterns
        ]
        if ends:
            made.append(_end_with_object(hook, self.patterns[-1], self.using))
        return tuple(made)


def hook_of_row(row: Row, using: str) -> Hook:
    """Return the hook of a row."""
    values = dict(zip(OWN, row, strict=False)) | dict(zip(ALIKE, row.alike, strict=False))
    values["filters"] = json.loads(row.filters)
    if type(signals := values["signals"]) is tuple:
        values["signals"] = list(signals)
    hook = Hook.from_db(using, FIELDS, [values[name] for name in FIELDS])
    if (model := _model_of(row.alike)) is not None:
        Hook._meta.get_field("model").set_cached_value(hook, model)
    return hook


def _model_of(alike: Alike) -> ContentType | None:
    app_label, model = alike[len(ALIKE) :]
    return None if alike[MODEL] is None else ContentType(id=alike[MODEL], app_label=app_label, model=model)


class Maker:
    """Makes subscribers of rows; while it makes many, it keeps the event types of those that are alike.

    `is_read` says that the rows were just read: then signals are connected, which may query the database.
    """

    def __init__(self, using: str, *, is_read: bool = True) -> None:
        self._is_read = is_read
        self._using = using
        self._known: dict[tuple[Any, ...], _EventTypes] = {}

    def of_row(self, row: Row) -> HookInterest:
        """Return the subscriber of a row. One that is wrong is kept, and notified of nothing."""
        patterns: tuple[str, ...] = ()
        key, object_id = None, row.object_id or None
        try:
            types = self._event_types(row.alike)
            patterns = types.patterns if object_id is None else types.patterns_of_object
            if object_id is None and types.patterns and row.filters != "{}":
                key = key_of(json.loads(row.filters), types.patterns)
            for problem in types.problems:
                logger.warning("hook %s%s", row.pk, problem)
        except Exception:  # it was written past `save()`; that must not break a change of another program
            logger.exception("hook %s is notified of nothing: save it to see why", row.pk)
        return HookInterest(registry.order(row.pk), patterns, object_id, key, row, self._using)

    def _event_types(self, alike: Alike) -> _EventTypes:
        which = alike[SIGNALS], alike[MODEL], alike[ENABLED]
        if type(alike[SIGNALS]) is not tuple:  # raises what is wrong
            return _EventTypes(patterns_of(alike[SIGNALS], _model_of(alike)), (), [])
        if (known := self._known.get(which)) is not None:
            return known
        signals, model = list(alike[SIGNALS]), _model_of(alike)
        patterns, problems = self._published(signals, model) if alike[ENABLED] else ((), [])
        if conf.hooks_shut_down:
            patterns = ()
        found: type[Model] | None = model.model_class() if model else None
        end = () if found is None else (f"{resource_of(found)}.deleted",)
        self._known[which] = types = _EventTypes(patterns, (*patterns, *end), problems)
        return types

    def _published(self, signals: list[str], model: ContentType | None) -> tuple[tuple[str, ...], list[str]]:
        """Return the event types that signals stand for, and what is wrong with them since they were saved."""
        patterns = patterns_of(signals, model)
        try:
            check_allowed(patterns)
        except InvalidSignalError as error:
            return (), [f" is notified of nothing: {error.message}"]
        if not self._is_read:
            return patterns, []
        try:
            listen_to(custom_signals(signals), signal_in_row)
            problems = list(problems_of(signals, model))
        except ConfigurationError as error:
            problems = [str(error)]
        return patterns, [f": {problem}" for problem in problems]


class _EventTypes(NamedTuple):
    """The event types of hooks, those of a hook on one object with its end, and what is wrong with them."""

    patterns: tuple[str, ...]
    patterns_of_object: tuple[str, ...]
    problems: list[str]


def _end_with_object(hook: Hook, pattern: str, using: str) -> Subscription:
    """Return the subscription that ends a hook with its object; its callbacks that wait are still sent."""

    def object_deleted(event: Event) -> None:
        viewer = viewer_at_end(hook, event.instance)
        if event.using == using:  # in the same transaction as the object
            _end({hook.pk: viewer}, using)
        else:
            _end_at_commit(hook.pk, viewer, event.using, using)

    return Subscription(
        name=f"end of {hook.subscriber}",
        pattern=pattern,
        phase=Phase.IN_TRANSACTION,
        handler=object_deleted,
        object_id=hook.object_id,
    )


def _end(viewers: dict[int, str], using: str) -> None:
    """End hooks, by id; their `viewer_at_end` beside it."""
    hooks: QuerySet[Hook] = QuerySet(Hook, using=using)
    with transaction.atomic(using=using, savepoint=False):
        hooks.filter(pk__in=list(viewers)).update(ended=True)
        for pk, viewer in viewers.items():
            if viewer:
                hooks.filter(pk=pk).update(viewer_at_end=viewer)
        changes.note(list(viewers), using, deleted=True)


def _end_at_commit(pk: int, viewer: str, using: str, hooks_using: str) -> None:
    """End a hook of another database when the transaction, or savepoint, that deletes its object is committed.

    A deletion may take thousands of objects with it: their hooks end all at once.
    """
    connection = transaction.get_connection(using)
    savepoints = set(connection.savepoint_ids)
    for entry in connection.run_on_commit:
        if entry[0] == savepoints and isinstance(entry[1], partial) and entry[1].func is _end:
            entry[1].args[0][pk] = viewer
            return
    transaction.on_commit(partial(_end, {pk: viewer}, hooks_using), using=using)


def condition_for(hook: Hook) -> Condition | None:
    """Return the condition for a hook to be notified of an event of its types; None where it is notified of all.

    Filters that can no longer be read (a field was removed), or that fail, do not stop an event: a receiver can
    recognise an unwanted event, but not a missing one. That is logged.
    """
    conditions: list[Condition] = []
    if of_relations_alone(hook.signals) and (model := model_of_patterns(hook.patterns)) is not None:
        many = frozenset(field.name for field in model._meta.many_to_many)
        conditions.append(lambda event: not many.isdisjoint(event.changes))
    if (end := hook.expires_at) is not None:
        conditions.append(lambda event: event.time < end)
    try:
        if (filters := compiled(hook.filters, hook.patterns, is_saved=True)) is not None:
            conditions.append(_never_failing(filters, hook))
    except InvalidFiltersError as error:
        text = "hook %s: its filters cannot be read, and it is notified of everything: %s"
        logger.error(text, hook.pk, error.messages[0])
    if hook.user_id is not None and hook.enforce_permissions:
        conditions.append(lambda event: may_be_notified_of(hook, event))
    if len(conditions) <= 1:
        return conditions[0] if conditions else None
    return lambda event: all(condition(event) for condition in conditions)


def _never_failing(condition: Condition, hook: Hook) -> Condition:
    def holds(event: Event) -> bool:
        try:
            return condition(event)
        except Exception:
            if conf.hooks_raise_exceptions:
                raise
            text = "hook %s: its filters failed for %s %s (event %s), and it is notified of it"
            logger.exception(text, hook.pk, event.type, event.object_id, event.id)
            return True

    return holds
