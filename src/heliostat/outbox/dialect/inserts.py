"""The statements that write promises down: events, and callbacks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from heliostat.outbox.models import Callback, Event, Status

ROWS_AT_ONCE = 1000  # databases bound the parameters of a statement

Row = tuple[Any, ...]

EVENT_COLUMNS = "id, resource, action, object_id, body, context, created_at"
PROMISE_COLUMNS = "event_id, subscriber, lane, body"


def chunks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + ROWS_AT_ONCE] for start in range(0, len(rows), ROWS_AT_ONCE))


@cache
def insert_events(count: int, insert: str = "INSERT") -> str:
    """`insert` is the dialect's word for it."""
    row = f"({', '.join(['%s'] * 7)}, TRUE)"
    return f"{insert} INTO {Event._meta.db_table} ({EVENT_COLUMNS}, matched) VALUES {', '.join([row] * count)}"


@cache
def insert_callbacks(count: int, now: str, insert: str = "INSERT", beside: str = "") -> str:
    """Only what differs from row to row is a parameter: with many hooks, parameters are what costs.

    `insert` is the dialect's word for it; `beside` names a table expression that is to be evaluated with it.
    """
    columns = f"{PROMISE_COLUMNS}, status, status_details, attempts, due_at, created_at, updated_at"
    same = f"'{Status.WAITING.value}', '', 0, {now}, {now}, {now}"
    promises = f"WITH promise ({PROMISE_COLUMNS}) AS (VALUES {', '.join(['(%s, %s, %s, %s)'] * count)})"
    source = f"promise, {beside}" if beside else "promise"
    return (
        f"{insert} INTO {Callback._meta.db_table} ({columns}) {promises} SELECT {PROMISE_COLUMNS}, {same} FROM {source}"
    )
