"""PostgreSQL: claims are one statement, and workers hear of a commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any

from django.db import connections

from heliostat.outbox.dialect.base import ATTEMPT, ATTEMPT_COLUMNS, CALLBACK, Claimed, Dialect
from heliostat.outbox.dialect.inserts import Row, chunks, insert_callbacks, insert_events

CHANNEL = "heliostat_outbox"
DEADLOCK, SERIALIZATION_FAILURE = "40P01", "40001"


class PostgreSQL(Dialect):
    """Rows that another worker has locked are passed over; one array takes the place of many parameters.

    Ids of events and arrays go in and out as text: to make objects of them, and text again, costs more than the rest.
    """

    lock = "FOR UPDATE SKIP LOCKED"
    has_notify = True

    def after(self, seconds: float) -> tuple[str, Any]:
        return "(now() + %s * interval '1 second')", seconds

    def write(self, cursor: Any, events: Sequence[Row], callbacks: Sequence[Row], failed: Sequence[Row] = ()) -> None:
        """One statement in place of three: where one hook asks, each costs more than its rows."""
        are_few = len(chunks(events)) == len(chunks(callbacks)) == 1
        if failed or not are_few:
            super().write(cursor, events, callbacks, failed)
        else:
            cursor.execute(_insert_both(len(events), len(callbacks)), [*chain(*events), *chain(*callbacks)])

    def notify(self, cursor: Any) -> None:
        cursor.execute(f"NOTIFY {CHANNEL}")  # once a transaction, however often it is said

    def due_subscribers(self, after: str, limit: int) -> dict[str, str]:
        """Each step to the next subscriber brings along when it is due.

        Planning this takes longer than running it, and grows with each mention of the table.
        """
        following = (
            f"SELECT c.subscriber, c.due_at FROM {CALLBACK} c WHERE c.status = 'waiting' AND c.subscriber > {{}} "
            "ORDER BY c.subscriber, c.due_at LIMIT 1"
        )
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE s(name, due_at) AS (({following.format('%s')}) UNION ALL "
                f"SELECT n.* FROM s CROSS JOIN LATERAL ({following.format('s.name')}) AS n) "
                f"SELECT name, state FROM (SELECT name, {self.breaker_state('s.name', 'now()')} AS state FROM s "
                "WHERE due_at <= now()) AS due WHERE state <> 'open' LIMIT %s",
                [after, limit],
            )
            return dict(cursor.fetchall())

    def claim(self, slots: Mapping[str, int], token: int, lease: float, ids: Sequence[int] = ()) -> list[Claimed]:
        """Claim all without an ordering key by one statement, which also counts the due callbacks that have one."""
        if ids:
            return super().claim(slots, token, lease, ids)
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                "WITH due AS (SELECT w.id, w.ordering_key, s.name FROM unnest(%s::text[], %s::int[]) AS s(name, free) "
                # The inner limit is for the planner alone: of one that it cannot see it expects a tenth of all that
                # wait, and compiles the statement, which takes longer than to run it.
                f"CROSS JOIN LATERAL (SELECT * FROM (SELECT id, ordering_key FROM {CALLBACK} WHERE status = 'waiting' "
                f"AND subscriber = s.name AND due_at <= now() ORDER BY due_at LIMIT {max(slots.values())} "
                "FOR UPDATE SKIP LOCKED) AS few LIMIT s.free) AS w), "
                f"taken AS (UPDATE {CALLBACK} c SET status = 'sending', claim_token = %s, attempts = attempts + 1, "
                "lease_until = now() + %s * interval '1 second' FROM due, "
                # A claim that a crash of the server forgets is only made again: no need to wait for its disk.
                "(SELECT set_config('synchronous_commit', 'off', true)) AS quick "
                f"WHERE c.id = due.id AND due.ordering_key IS NULL RETURNING {self.claimed_columns('c.')}) "
                "SELECT * FROM taken UNION ALL "
                "SELECT NULL, name, count(*), NULL, NULL, NULL, NULL FROM due "
                "WHERE ordering_key IS NOT NULL GROUP BY name",
                [list(slots), list(slots.values()), token, lease],
            )
            rows = cursor.fetchall()
        claimed = [Claimed(*row) for row in rows if row[0] is not None]
        ordered = {subscriber: seen for id_, subscriber, seen, *_ in rows if id_ is None}
        claimed += self.claim_in_order(ordered, token, lease)
        return sorted(claimed, key=lambda one: one.id)

    @contextmanager
    def alone_with(self, subscriber: str) -> Iterator[bool]:
        with super().alone_with(subscriber), connections[self.using].cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"heliostat:{subscriber}"])
            (alone,) = cursor.fetchone()
            yield alone

    def text(self, event_id: str) -> str:
        return f"{event_id}::text"

    def among(self, column: str, keys: Sequence[Any]) -> str:  # noqa: ARG002
        return f"{column} = ANY(%s)"

    def keys(self, keys: Sequence[Any]) -> list[Any]:
        return [f"{{{','.join(map(str, keys))}}}"]

    def is_conflict(self, error: BaseException) -> bool:
        return getattr(error.__cause__, "sqlstate", None) in (DEADLOCK, SERIALIZATION_FAILURE)

    def log(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        statement = f"COPY {ATTEMPT} ({', '.join(ATTEMPT_COLUMNS)}) FROM STDIN"
        # Django does not know `copy`: unwrapped, a connection cut just here would end the worker.
        with connections[self.using].wrap_database_errors, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


@cache
def _insert_both(events: int, callbacks: int) -> str:
    """One statement that inserts so many events and callbacks, and notifies."""
    notified = f"notified AS (SELECT pg_notify('{CHANNEL}', ''))"
    insert = insert_callbacks(callbacks, "now()", beside="notified")
    return f"WITH event AS ({insert_events(events)}), {notified} {insert}"
