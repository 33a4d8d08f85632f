"""Ordered delivery: callbacks of a subscriber with one ordering key are sent one after the other.

The head of the line is the callback that is being sent, or else the oldest that waits; only the head may be claimed. A
callback that is found behind it is put off: it is due again when it becomes the head, so that no claim looks at it in
vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from heliostat.outbox.dialect.base import Claimed, Dialect

LOOKED_AT = 1000  # callbacks at once
PUT_OFF = 3600.0  # seconds, at most: it becomes the head sooner


def claim_heads(
    dialect: Dialect, subscriber: str, limit: int, token: int, lease: float, ids: Sequence[int]
) -> list[Claimed]:
    """Claim callbacks that are due and the head of their line. One worker at a time does this for a subscriber.

    The rows are locked before the heads are looked up: a worker that records the result of a head meanwhile waits, and
    then makes the next head due.
    """
    with dialect.alone_with(subscriber) as alone, connections[dialect.using].cursor() as cursor:
        if not alone:
            return []
        due = [id_ for id_, ordering_key in dialect.due(cursor, subscriber, LOOKED_AT, ids) if ordering_key is not None]
        first = heads_of_line(dialect, cursor, due)
        _put_off(dialect, cursor, [id_ for id_ in due if id_ not in first])
        taken = [id_ for id_ in due if id_ in first][:limit]
        return dialect.take(cursor, taken, token, lease) if taken else []


def make_heads_due(dialect: Dialect, cursor: Any, ids: Sequence[int]) -> None:
    """Make the new heads due: these callbacks, the former ones, have ended."""
    if first := heads_of_line(dialect, cursor, ids):
        now, now_value = dialect.after(0)
        cursor.execute(  # also where it is due already: if a worker is about to put it off, this waits for that
            f"UPDATE {dialect.callback} SET due_at = CASE WHEN due_at > {now} THEN {now} ELSE due_at END "
            f"WHERE {dialect.among('id', list(first))} AND status = 'waiting'",
            [now_value, now_value, *dialect.keys(list(first))],
        )


def heads_of_line(dialect: Dialect, cursor: Any, ids: Sequence[int]) -> set[int]:
    """Return the heads of the lines that these callbacks are in."""
    if not ids:
        return set()
    cursor.execute(
        f"SELECT ({dialect.head_of_line}) FROM (SELECT DISTINCT subscriber, ordering_key FROM {dialect.callback} "
        f"WHERE {dialect.among('id', ids)} AND ordering_key IS NOT NULL) l",
        dialect.keys(ids),
    )
    return {id_ for (id_,) in cursor.fetchall() if id_ is not None}


def _put_off(dialect: Dialect, cursor: Any, ids: Sequence[int]) -> None:
    if ids:
        later, later_value = dialect.after(PUT_OFF)
        cursor.execute(
            f"UPDATE {dialect.callback} SET due_at = {later} WHERE {dialect.among('id', ids)}",
            [later_value, *dialect.keys(ids)],
        )
