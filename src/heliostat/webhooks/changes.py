"""The log of changed hooks: how a process learns which rows to read again.

A change of hooks writes a row here, in the same transaction, and locks nothing for it. When it is committed, the
first process that finds it gives it the next `position`; so positions are in the order of commits, whatever the order
in which rows were written, and a reader that knows all up to one position asks for what comes after it. On SQLite,
where one writes at a time, the row is written with its position.

A position says where a reader stands only together with the row that has it: a table that was emptied, or restored
from a backup, has other rows there, and a reader that does not find its row knows that anything may have changed.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from django.db import Error as DatabaseError
from django.db import connections, models, transaction

logger = logging.getLogger("heliostat.webhooks")


class HookChange(models.Model):
    """One change of hooks: a list of their ids as JSON, or none where any may have changed. Written by `write()`."""

    id = models.BigIntegerField(primary_key=True)  # by chance, so that it never comes again
    hooks = models.TextField(null=True)  # noqa: DJ001  none is not the same as an empty list
    position = models.BigIntegerField(null=True, unique=True)

    class Meta:
        app_label = "heliostat_webhooks"

    def __str__(self) -> str:
        return f"change {self.position} of hooks {self.hooks}"


TABLE = HookChange._meta.db_table
KEPT = 10_000  # rows; a reader that missed more reads all hooks
PRUNE_EVERY = 500  # rows
MOST_NAMED = 10_000  # hooks; more in one change are not named, and all are read

LAST = f"(SELECT max(position) FROM {TABLE})"
NEXT = f"(SELECT coalesce(max(position), 0) + 1 FROM {TABLE} AS others)"


class Position(NamedTuple):
    """Where a reader stands: at the row `last`, with the position `number`; it read `early` before they had one."""

    number: int = 0
    last: int | None = None
    early: frozenset[int] = frozenset()


class News(NamedTuple):
    """The ids of hooks that changed; None where it can be any. `position` is where the reader stands then."""

    hooks: frozenset[int] | None
    position: Position


Listener = Callable[["Collection[int] | None", str, bool], None]
_listeners: list[Listener] = []


def when_written(listener: Listener) -> None:
    """Call `listener(hooks, using, deleted)` for each change that this process writes, inside its transaction."""
    _listeners.append(listener)


def note(hooks: Collection[int] | None, using: str, *, deleted: bool = False) -> None:
    """Record that hooks changed, or were deleted, in the open transaction, for this process and all others."""
    write(hooks, using)
    for listener in _listeners:
        listener(hooks, using, deleted)


def write(hooks: Collection[int] | None, using: str) -> None:
    """Record that these hooks change in the open transaction; None: any of them."""
    named = None if hooks is None or len(hooks) > MOST_NAMED else json.dumps(sorted(hooks))
    id_ = secrets.randbits(63)
    position = NEXT if has_positions_at_once(using) else "NULL"
    with connections[using].cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} (id, hooks, position) VALUES (%s, %s, {position})", [id_, named])
    if has_positions_at_once(using) and id_ % PRUNE_EVERY == 0:
        _prune(using)


def has_positions_at_once(using: str) -> bool:
    """Return whether the order of writing is the order of commits."""
    return bool(connections[using].vendor == "sqlite")


def where(using: str) -> Position:
    """Return where a reader stands that reads all hooks after this."""
    return _at(_rows(using, f"position IS NULL OR position = {LAST}"))


def since(position: Position, using: str) -> News:
    """Return what changed since a reader stood there."""
    rows = _rows(using, "position IS NULL OR position >= %s", position.number)
    now = _at(rows)
    ids = {id_: number for id_, _, number in rows}
    new = [hooks for id_, hooks, _ in rows if id_ != position.last and id_ not in position.early]
    if position.last is None:  # there was no row by which to know this log again
        is_other_log = now.last is not None and now.last not in position.early
    else:
        is_other_log = ids.get(position.last) != position.number
    if is_other_log or not position.early <= ids.keys() or None in new:
        return News(None, now)
    return News(frozenset(pk for hooks in new for pk in json.loads(hooks)), now)


def _rows(using: str, condition: str, *values: Any) -> list[tuple[int, str, int | None]]:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT id, hooks, position FROM {TABLE} WHERE {condition}", values)
        return list(cursor.fetchall())


def _at(rows: list[tuple[int, str, int | None]]) -> Position:
    numbered = [(number, id_) for id_, _, number in rows if number is not None]
    number, last = max(numbered, default=(0, None))
    return Position(number, last, frozenset(id_ for id_, _, number in rows if number is None))


def number(using: str) -> None:
    """Give the rows that are committed, and have none, their positions. Another process may be quicker.

    Each transaction goes on from the last position that is committed, and a position is there once: so of two at a
    time one fails, and no position is ever committed after a greater one.
    """
    connection = connections[using]
    if connection.in_atomic_block or has_positions_at_once(using):
        return
    try:
        with transaction.atomic(using=using), connection.cursor() as cursor:
            cursor.execute(f"SELECT coalesce(max(position), 0) FROM {TABLE}")
            (last,) = cursor.fetchone()
            before = last
            cursor.execute(f"SELECT id FROM {TABLE} WHERE position IS NULL ORDER BY id")
            for (id_,) in cursor.fetchall():
                statement = f"UPDATE {TABLE} SET position = %s WHERE id = %s AND position IS NULL"
                cursor.execute(statement, [last + 1, id_])
                last += cursor.rowcount  # another process may just have done it
        if last // PRUNE_EVERY != before // PRUNE_EVERY:
            _prune(using)
    except DatabaseError as error:
        logger.debug("changes of hooks are numbered by another process, or later: %s", error)


def _prune(using: str) -> None:
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT max(position) FROM {TABLE}")
        (last,) = cursor.fetchone()
        cursor.execute(f"DELETE FROM {TABLE} WHERE position <= %s", [last - KEPT])
