"""Capture: saves become events.

Django sends `post_save` after the row is committed where no transaction is open, so a process that dies in between
would lose the event. Therefore `Model._save_table` is wrapped, which Django calls once for each table of an object,
after `pre_save` and before `post_save`: for a model with subscribers, the row and its event are one transaction. The
receivers of these signals, and whatever overrides `save()` or `save_base()`, run outside of it. For every other model
the wrapper costs one look-up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db import models, transaction

from heliostat.events import context
from heliostat.events.event import Event
from heliostat.events.keys import key_names
from heliostat.events.matching import registry
from heliostat.events.publish import build_event, publish
from heliostat.events.snapshot import Row, difference, table_of, visible
from heliostat.events.transactions import attempt, change_transaction
from heliostat.events.types import lineage
from heliostat.exceptions import Refused

MARK = "heliostat_capture"
MODEL: Any = models.Model
ARGUMENTS = tuple(inspect.signature(MODEL._save_table).parameters)[1:]  # without self
SCRATCH = "heliostat_tables"  # on the state of an object, while its tables are saved one after the other

UNREAD: Row | None = {}
"""In place of a row that could not be read."""

SaveTable = Callable[..., bool]
Levels = tuple[type[models.Model], ...]


def install() -> None:
    """Wrap `Model._save_table` (once); before any model class exists, so that none has bound it yet."""
    if not is_installed(models.Model):
        MODEL._save_table = _capturing(MODEL._save_table)
        MODEL.save_base = _going_on(MODEL.save_base)


def is_installed(model: Any) -> bool:
    """Return whether the wrapper is in place, under whatever others have wrapped around it."""
    found: Any = model._save_table
    while found is not None:
        if getattr(found, MARK, False):
            return True
        found = getattr(found, "__wrapped__", None)
    return False


def check_capture(**_: object) -> list[CheckMessage]:
    """System check: whatever overrides or replaces `_save_table()` calls the one below it."""
    hint = "Call the function that is replaced, and keep it as `__wrapped__` (functools.wraps)."
    replaced = [] if is_installed(models.Model) else ["django.db.models.Model"]
    replaced += [label for model in apps.get_models() for label in _replacing(model)]
    return [
        Warning(
            f"Saves are not captured: {label}._save_table() does not call the one of Heliostat.",
            hint=hint,
            id="heliostat.W004",
        )
        for label in dict.fromkeys(replaced)
    ]


def _replacing(model: type[models.Model]) -> list[str]:
    own = [one for one in model.__mro__ if "_save_table" in vars(one) and one is not models.Model]
    return [one.__qualname__ for one in own if not (is_installed(one) or _calls_super(vars(one)["_save_table"]))]


def _calls_super(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is None or "_save_table" in code.co_names


def subscribed_levels(model: type[models.Model]) -> Levels:
    """Return the model of an object and its parents, as far as they have subscribers now and here."""
    if not apps.ready or context.is_quiet():
        return ()
    return registry.matcher.patterns.levels(model)


def can_be_refused(model: type[models.Model]) -> bool:
    """Return whether a subscriber may undo this change only, so that its caller can go on: that needs a savepoint."""
    return registry.matcher.patterns.can_be_refused(model)


@dataclass(slots=True)
class TableSave:
    """What the save of one table of an object did; `before` is None where the row is new."""

    before: Row | None
    is_new: bool
    after: Row = field(default_factory=dict)


@dataclass(slots=True)
class ObjectSave:
    """What the save of an object did, table by table: that of its own model, and those of the parents.

    `keys` are the primary keys that a new object had before; a refusal goes back to `savepoint`. With `is_unread`, a
    row could not be read, so that there is no event.
    """

    tables: dict[type[models.Model], TableSave] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    savepoint: str | None = None
    is_unread: bool = False

    def facts(self, model: type[models.Model], using: str) -> dict[str, Any]:
        """Return the snapshot of the object as this model sees it, and old and new values of what changed."""
        before: Row = {}
        after: Row = {}
        for one in lineage(model):
            if one in self.tables:
                before.update(self.tables[one].before or {})
                after.update(self.tables[one].after)
        after = visible(after, model, using)
        if self.tables[model].is_new:
            return {"snapshot": after}
        return {"snapshot": after, "changes": difference(visible(before, model, using), after)}


def _capturing(save_table: SaveTable) -> SaveTable:
    @wraps(save_table)
    def capturing_save_table(self: models.Model, *args: Any, **kwargs: Any) -> bool:
        levels = subscribed_levels(type(self))
        if not levels:
            return save_table(self, *args, **kwargs)
        arguments = {**dict(zip(ARGUMENTS, args, strict=False)), **kwargs}
        if arguments.get("raw"):
            return save_table(self, *args, **kwargs)
        return _captured(self, levels, arguments, lambda: save_table(self, *args, **kwargs))

    setattr(capturing_save_table, MARK, True)
    return capturing_save_table


def _going_on(save_base: Callable[..., None]) -> Callable[..., None]:
    """A save that is refused is undone here, so the caller's transaction goes on: Django would end it, for it knows
    nothing of the savepoint."""

    @wraps(save_base)
    def save_base_or_go_on(self: models.Model, *args: Any, **kwargs: Any) -> None:
        try:
            save_base(self, *args, **kwargs)
        except Refused as refusal:
            if refusal.undone_in is not None:
                transaction.get_connection(refusal.undone_in).needs_rollback = False
            raise

    return save_base_or_go_on


def _captured(instance: models.Model, levels: Levels, arguments: dict[str, Any], save: Callable[[], bool]) -> bool:
    """Save one table of an object, and publish its events when this is the last."""
    model, using, state = arguments["cls"], arguments["using"], instance._state
    is_last = model is type(instance)._meta.concrete_model
    saved: ObjectSave = state.__dict__.pop(SCRATCH, None) or ObjectSave(keys=_keys(instance) if state.adding else {})
    may_be_refused = can_be_refused(type(instance))
    if may_be_refused and not is_last and saved.savepoint is None:
        saved.savepoint = transaction.savepoint(using)
    was_adding, was_using = state.adding, state.db
    is_done = False
    try:
        with change_transaction(using, savepoint=is_last and may_be_refused):
            before = attempt(model, lambda: _row_before(instance, arguments), UNREAD)
            saved.is_unread |= before is UNREAD
            updated = save()
            is_done = True
            saved.tables[model] = TableSave(before if updated else None, not updated)
            if is_last:
                state.adding, state.db = False, using  # as Django does it afterwards: a subscriber may save it again
                publish(attempt(model, lambda: _events(instance, levels, saved, arguments), []), using)
            else:
                saved.is_unread = not attempt(model, lambda: _read(instance, saved, arguments), False)
                state.__dict__[SCRATCH] = saved
        if is_last and saved.savepoint is not None:
            transaction.savepoint_commit(saved.savepoint, using)
    except BaseException as error:
        if is_done and was_adding:  # the change was undone: an object that was new is new again
            state.adding, state.db = was_adding, was_using
            instance.__dict__.update(saved.keys)
        if isinstance(error, Refused):
            if saved.savepoint is not None:
                transaction.savepoint_rollback(saved.savepoint, using)
                transaction.savepoint_commit(saved.savepoint, using)  # a rollback to it leaves it open
            error.undone_in = using
        raise
    return updated


def _keys(instance: models.Model) -> dict[str, Any]:
    """Return the primary keys of an object in all its tables."""
    return {name: instance.__dict__.get(name) for one in lineage(type(instance)) for name in key_names(one)}


def _row_before(instance: models.Model, arguments: dict[str, Any]) -> Row | None:
    """Return the row before the save; None where there is none.

    Where Django inserts without a look, there is no row to read.
    """
    table = table_of(arguments["cls"])
    is_made = instance._state.adding and table.makes_keys and not arguments.get("force_update")
    if is_made or arguments.get("force_insert"):
        return None
    for name in key_names(table.model):
        key = instance.__dict__.get(name)
        if key is None or hasattr(key, "resolve_expression"):  # the database makes it
            return None
    return table.read(instance, arguments["using"], lock=True)


def _read(instance: models.Model, saved: ObjectSave, arguments: dict[str, Any]) -> bool:
    """Keep what one table's row says after the save. Return whether all rows so far could be read."""
    if not saved.is_unread:
        table = saved.tables[arguments["cls"]]
        table.after = _row_after(instance, arguments, table)
    return not saved.is_unread


def _row_after(instance: models.Model, arguments: dict[str, Any], saved: TableSave) -> Row:
    """Return what the row says after the save; read again where memory cannot be trusted."""
    table = table_of(arguments["cls"])
    fields = None if saved.is_new else arguments.get("update_fields")
    names = None if fields is None else frozenset(fields)
    can_trust = names is None or (saved.before is not None and not (names and table.has_generated))
    if can_trust and (written := table.written(instance, names)) is not None:
        return {**saved.before, **written} if saved.before else written
    return table.read(instance, arguments["using"]) or {}


def _events(instance: models.Model, levels: Levels, saved: ObjectSave, arguments: dict[str, Any]) -> list[Event]:
    """Return the events of a save: of its model, and of the parents to whose tables it writes."""
    events: list[Event] = []
    using, fields = arguments["using"], arguments.get("update_fields")
    for model in levels if _read(instance, saved, arguments) else ():
        is_own = model is type(instance)._meta.concrete_model
        columns = model._meta.concrete_fields
        if fields is None or is_own or any(one.name in fields or one.attname in fields for one in columns):
            action = "created" if saved.tables[model].is_new else "updated"
            origin = events[0].id if events else None
            events.append(build_event(action, instance, using, model, origin=origin, **saved.facts(model, using)))
    return events
