"""The statements that write events and callbacks into the outbox."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from heliostat.outbox.models import Callback, Event, Status

ROWS_AT_ONCE = 1000  # databases bound the parameters of a statement
CHARACTERS_AT_ONCE = 2_000_000  # and its length: MariaDB takes 16 MiB, in which a quote counts twice

Row = tuple[Any, ...]

EVENT_COLUMNS = "id, resource, action, object_id, body, context, created_at"
CALLBACK_COLUMNS = "event_id, subscriber, ordering_key, body"
TIMES = "due_at, created_at, updated_at"


def chunks(rows: Sequence[Row]) -> Sequence[Sequence[Row]]:
    """Return the rows in parts, none larger than what a statement takes."""
    if len(rows) == 1:
        return [rows]
    parts: list[list[Row]] = []
    size = 0
    for row in rows:
        length = sum(len(value) for value in row if isinstance(value, str))
        if not parts or len(parts[-1]) == ROWS_AT_ONCE or size + length > CHARACTERS_AT_ONCE:
            parts.append([])
            size = 0
        parts[-1].append(row)
        size += length
    return parts


@cache
def insert_events(count: int, insert: str = "INSERT") -> str:
    """`insert` is the dialect's word for it."""
    row = f"({', '.join(['%s'] * 7)}, TRUE)"
    return f"{insert} INTO {Event._meta.db_table} ({EVENT_COLUMNS}, matched) VALUES {', '.join([row] * count)}"


@cache
def insert_callbacks(count: int, now: str, insert: str = "INSERT", beside: str = "") -> str:
    """Only what differs from row to row is a parameter: with many hooks, parameters are what costs. With few, it is the
    text of the statement, in which Django looks for them on SQLite.

    `insert` is the dialect's word for it; `beside` names a table expression that is to be evaluated with it.
    """
    rows = f"WITH new (a, b, c, d) AS (VALUES {', '.join(['(%s, %s, %s, %s)'] * count)})"
    source = f"new, {beside}" if beside else "new"
    return (
        f"{insert} INTO {Callback._meta.db_table} ({CALLBACK_COLUMNS}, {TIMES}) {rows} "
        f"SELECT new.*, {now}, {now}, {now} FROM {source}"
    )


@cache
def insert_failed(count: int, now: str, insert: str = "INSERT") -> str:
    """Return the INSERT of callbacks whose body cannot be rendered.

    Rows have an event's id, a subscriber, an ordering key, the reason in full and what its owner is shown of it.
    """
    columns = f"event_id, subscriber, ordering_key, status, {TIMES}, render_error, status_details"
    same = f"'{Status.ERROR.value}', {now}, {now}, {now}, reason, shown"
    names = "event_id, subscriber, ordering_key, reason, shown"
    failed = f"WITH failed ({names}) AS (VALUES {', '.join(['(%s, %s, %s, %s, %s)'] * count)})"
    return (
        f"{insert} INTO {Callback._meta.db_table} ({columns}) {failed} "
        f"SELECT event_id, subscriber, ordering_key, {same} FROM failed"
    )
