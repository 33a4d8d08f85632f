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
from functools import cache, partial, wraps
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Warning
from django.db import models, transaction

from heliostat.events import context
from heliostat.events.batch import current_batch
from heliostat.events.dispatch import Served, dispatch
from heliostat.events.event import NOTHING, Event
from heliostat.events.matching import registry
from heliostat.events.snapshot import Row, Table, difference, public_key, table_of, visible
from heliostat.events.transactions import attempt, change_transaction, ours
from heliostat.events.types import resource_of
from heliostat.exceptions import Refused

MARK = "heliostat_capture"
MODEL: Any = models.Model
ARGUMENTS = tuple(inspect.signature(MODEL._save_table).parameters)[1:]  # without self
SCRATCH = "heliostat_tables"  # on the state of an object, while its tables are saved one after the other

UNREAD: Row | None = {}
"""In place of a row that could not be read."""

SaveTable = Callable[..., bool]


def install() -> None:
    """Wrap `Model._save_table` (once); before any model class exists, so that none has bound it yet."""
    if not is_installed(models.Model):
        MODEL._save_table = _capturing(MODEL._save_table)
        MODEL.save_base = _going_on(MODEL.save_base)


def is_installed(model: Any) -> bool:
    """Whether the wrapper is in place, under whatever others have wrapped around it."""
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


@cache
def lineage(model: type[models.Model]) -> tuple[type[models.Model], ...]:
    """The concrete model of an object and its parents, whose subscribers hear of a change; none for tables between
    many-to-many relations and for the models of a migration."""
    meta = model._meta
    if meta.auto_created or model.__module__ == "__fake__" or meta.concrete_model is None:
        return ()
    parents = (parent for parent in meta.concrete_model._meta.all_parents if not parent._meta.proxy)
    return (meta.concrete_model, *parents)


def observed(model: type[models.Model]) -> tuple[type[models.Model], ...]:
    """The model of an object and its parents, as far as they have subscribers now and here."""
    if not apps.ready or context.is_quiet():
        return ()
    return tuple(filter(registry.matcher.has_subscribers, lineage(model)))


def has_subscribers(model: type[models.Model]) -> bool:
    """Whether a change of such an object has subscribers now and here."""
    return bool(observed(model))


def can_be_refused(levels: tuple[type[models.Model], ...]) -> bool:
    """A refusal undoes this change only, so that its caller can go on: that needs a savepoint."""
    return any(registry.matcher.can_be_refused(model) for model in levels)


@dataclass(slots=True)
class TableSave:
    """What the save of one table of an object did; `before` is None where the row is new."""

    before: Row | None
    after: Row
    is_new: bool


@dataclass(slots=True)
class ObjectSave:
    """What the save of an object did, table by table: that of its own model, and those of the parents.

    `keys` are the primary keys that it had before; a refusal goes back to `savepoint`.
    """

    tables: dict[type[models.Model], TableSave] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    savepoint: str | None = None
    is_unread: bool = False
    """Whether a row could not be read, so that there is no event."""

    def row(self, model: type[models.Model]) -> Row:
        """The whole row of the object as this model sees it."""
        return self._joined(model, lambda table: table.after)

    def changes(self, model: type[models.Model], using: str) -> dict[str, tuple[Any, Any]]:
        """Old and new values of what changed; nothing of a new object."""
        if self.tables[model].is_new:
            return {}
        before = self._joined(model, lambda table: table.before or {})
        return difference(visible(before, model, using), visible(self.row(model), model, using))

    def _joined(self, model: type[models.Model], part: Callable[[TableSave], Row]) -> Row:
        if len(self.tables) == 1:
            return part(self.tables[model])
        models_of_tables = [one for one in lineage(model) if one in self.tables]
        return {name: value for one in models_of_tables for name, value in part(self.tables[one]).items()}


def _capturing(save_table: SaveTable) -> SaveTable:
    @wraps(save_table)
    def capturing_save_table(self: models.Model, *args: Any, **kwargs: Any) -> bool:
        levels = observed(type(self))
        if not levels:
            return save_table(self, *args, **kwargs)
        asked = {**dict(zip(ARGUMENTS, args, strict=False)), **kwargs}
        if asked.get("raw"):
            return save_table(self, *args, **kwargs)
        return _captured(self, levels, asked, lambda: save_table(self, *args, **kwargs))

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


def _captured(
    instance: models.Model, levels: tuple[type[models.Model], ...], asked: dict[str, Any], save: Callable[[], bool]
) -> bool:
    """Save one table of an object, and publish its events when this is the last."""
    model, using, state = asked["cls"], asked["using"], instance._state
    is_last = model is type(instance)._meta.concrete_model
    saved: ObjectSave = state.__dict__.pop(SCRATCH, None) or ObjectSave(keys=_keys(instance))
    may_be_refused = can_be_refused(levels)
    if may_be_refused and not is_last and saved.savepoint is None:
        saved.savepoint = transaction.savepoint(using)
    was_adding, was_using = state.adding, state.db
    is_done = False
    try:
        with change_transaction(using, savepoint=is_last and may_be_refused):
            _save_one(instance, saved, asked, save)
            is_done = True
            if is_last:
                state.adding, state.db = False, using  # as Django does it afterwards: a subscriber may save it again
                _publish(instance, levels, saved, asked)
            else:
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
    return not saved.tables[model].is_new


def _keys(instance: models.Model) -> dict[str, Any]:
    """The primary keys of an object in all its tables."""
    values = instance.__dict__
    return {attname: values.get(attname) for attname in _key_attributes(type(instance))}


@cache
def _key_attributes(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(pk.attname for one in lineage(model) for pk in one._meta.pk_fields)


def _save_one(instance: models.Model, saved: ObjectSave, asked: dict[str, Any], save: Callable[[], bool]) -> None:
    model = asked["cls"]
    before = attempt(model, partial(_before, instance, asked), UNREAD)
    updated = save()
    after = None if before is UNREAD else attempt(model, lambda: _saved(instance, asked, before, updated), None)
    saved.is_unread = saved.is_unread or after is None
    saved.tables[model] = after or TableSave(None, {}, not updated)


def _before(instance: models.Model, asked: dict[str, Any]) -> Row | None:
    """The row before the save; None where there is none."""
    table = table_of(asked["cls"])
    if _is_inserted(instance, table, asked):
        return None
    return table.read(instance_key(instance, table.model), asked["using"], lock=True)


def instance_key(instance: models.Model, model: type[models.Model]) -> Any:
    """The primary key of an object in the table of this model."""
    assert model._meta.pk is not None
    return getattr(instance, model._meta.pk.attname)


def _is_inserted(instance: models.Model, table: Table, asked: dict[str, Any]) -> bool:
    """Whether Django inserts without looking: then there is no row to read, and nobody pays for the look."""
    pks = table.model._meta.pk_fields
    if asked.get("force_insert") or any(_is_unset(instance.__dict__.get(pk.attname)) for pk in pks):
        return True
    is_made = instance._state.adding and all(pk.has_default() or pk.has_db_default() for pk in pks)
    return is_made and not asked.get("force_update")


def _is_unset(key: Any) -> bool:
    return key is None or hasattr(key, "resolve_expression")  # the database makes it


def _saved(instance: models.Model, asked: dict[str, Any], before: Row | None, updated: bool) -> TableSave:
    """What the row says after the save; read again where memory cannot be trusted."""
    table = table_of(asked["cls"])
    fields = asked.get("update_fields")
    names = None if fields is None else frozenset(fields)
    if updated and not (names and table.has_generated):
        written = table.written(instance, names)
        if written is not None and (names is None or before is not None):
            return TableSave(before, {**(before or {}), **written}, False)
    elif not updated and (written := table.written(instance, None)) is not None:
        return TableSave(None, written, True)
    row = table.read(instance_key(instance, table.model), asked["using"])
    return TableSave(before if updated else None, row or {}, not updated)


def _publish(
    instance: models.Model, levels: tuple[type[models.Model], ...], saved: ObjectSave, asked: dict[str, Any]
) -> None:
    if not saved.is_unread:
        publish(attempt(levels[0], lambda: _events(instance, levels, saved, asked), []), asked["using"])


def _events(
    instance: models.Model, levels: tuple[type[models.Model], ...], saved: ObjectSave, asked: dict[str, Any]
) -> list[Event]:
    events: list[Event] = []
    using = asked["using"]
    for model in levels:
        if _concerns(model, asked.get("update_fields")) or model is levels[0] is type(instance)._meta.concrete_model:
            action = "created" if saved.tables[model].is_new else "updated"
            facts = {"snapshot": visible(saved.row(model), model, using), "changes": saved.changes(model, using)}
            origin = events[0].id if events else None
            events.append(build_event(action, instance, using, model, origin=origin, **facts))
    return events


def _concerns(model: type[models.Model], update_fields: Any) -> bool:
    """Whether a save of these fields (None: of all) writes to the table of a model or of its parents."""
    if update_fields is None:
        return True
    names = {name for one in model._meta.concrete_fields for name in (one.name, one.attname)}
    return not names.isdisjoint(update_fields)


def build_event(
    action: str, instance: models.Model, using: str, model: type[models.Model] | None = None, **facts: Any
) -> Event:
    """An event of an object, or of its part in a parent model, with who did it and in which request."""
    resource = resource_of(model or type(instance))
    facts.setdefault("snapshot", NOTHING)
    return Event(
        resource=resource,
        action=action,
        object_id=public_key(instance, model or type(instance)),
        instance=instance,
        using=using,
        actor=context.current_actor(),
        request=context.current_request(),
        depth=context.current_depth(f"{resource}.{action}"),
        **facts,
    )


def publish(events: list[Event], using: str, served: Served | None = None) -> None:
    """Dispatch events to their subscribers now, or at the end of the batch that is open.

    `served` is kept from call to call where the events of one change are published one by one; see `dispatch`.
    """
    if (batch := current_batch(using)) is not None:
        for event in events:
            batch.add(event)
    elif events:
        with ours(using):
            dispatch(events, using, served)
