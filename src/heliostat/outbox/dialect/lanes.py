"""Lanes: callbacks of a subscriber that are told one after the other.

First in a lane is what is being sent, or else the oldest that waits; only the first may be taken. What is found waiting
behind it stands back: it is due again when its turn comes, so that nobody looks at it a second time in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import connections

if TYPE_CHECKING:
    from heliostat.outbox.dialect.base import Claimed, Dialect

LOOKED_AT = 1000  # callbacks at once
STANDS_BACK = 3600.0  # seconds; its turn comes sooner, and this only should nobody have said so


def claim_first(
    dialect: Dialect, subscriber: str, limit: int, token: int, lease: float, ids: Sequence[int]
) -> list[Claimed]:
    """Take what is due and first in its lane. One worker at a time does this for a subscriber.

    The rows are locked before it is asked what is first: whoever ends the first one meanwhile waits, then says to the
    next that its turn has come.
    """
    with dialect.alone_with(subscriber) as alone, connections[dialect.using].cursor() as cursor:
        if not alone:
            return []
        due = [id_ for id_, lane in dialect.due(cursor, subscriber, LOOKED_AT, ids) if lane is not None]
        first = first_beside(dialect, cursor, due)
        _stand_back(dialect, cursor, [id_ for id_ in due if id_ not in first])
        taken = [id_ for id_ in due if id_ in first][:limit]
        return dialect.take(cursor, taken, token, lease) if taken else []


def let_next_go(dialect: Dialect, cursor: Any, ids: Sequence[int]) -> None:
    """These callbacks have come to an end: who is first in their lanes now is due."""
    if first := first_beside(dialect, cursor, ids):
        now, now_value = dialect.after(0)
        cursor.execute(  # also where it is due already: should a worker be making it stand back, this waits for that
            f"UPDATE {dialect.callback} SET due_at = CASE WHEN due_at > {now} THEN {now} ELSE due_at END "
            f"WHERE {dialect.among('id', list(first))} AND status = 'waiting'",
            [now_value, now_value, *dialect.keys(list(first))],
        )


def first_beside(dialect: Dialect, cursor: Any, ids: Sequence[int]) -> set[int]:
    """Who is first in the lanes that these callbacks are in."""
    if not ids:
        return set()
    cursor.execute(
        f"SELECT ({dialect.first_in_lane}) FROM (SELECT DISTINCT subscriber, lane FROM {dialect.callback} "
        f"WHERE {dialect.among('id', ids)} AND lane IS NOT NULL) l",
        dialect.keys(ids),
    )
    return {id_ for (id_,) in cursor.fetchall() if id_ is not None}


def _stand_back(dialect: Dialect, cursor: Any, ids: Sequence[int]) -> None:
    if ids:
        later, later_value = dialect.after(STANDS_BACK)
        cursor.execute(
            f"UPDATE {dialect.callback} SET due_at = {later} WHERE {dialect.among('id', ids)}",
            [later_value, *dialect.keys(ids)],
        )
