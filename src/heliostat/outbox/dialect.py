"""The SQL of the outbox, for each kind of database behind one narrow interface.

Times are compared by the database's own clock where there is one (PostgreSQL), so that workers whose clocks differ
agree on what is due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.utils import timezone

from heliostat.outbox.models import Attempt, Callback, Event

CALLBACK = Callback._meta.db_table
EVENT = Event._meta.db_table
ATTEMPT = Attempt._meta.db_table
ATTEMPT_COLUMNS = (
    "callback_id", "number", "started_at", "duration_ms", "outcome", "status_code", "error", "response",
)  # fmt: skip


class Claimed(NamedTuple):
    """A callback that a worker has taken, with all that it needs to tell it."""

    id: int
    subscriber: str
    attempts: int
    event_id: Any
    body: str | None
    token: int


class Dialect:
    """What all databases understand. SQLite needs nothing else: a writer is alone there."""

    lock = ""

    def __init__(self, using: str) -> None:
        self.using = using
        self.time = connections[using].ops.adapt_datetimefield_value

    def after(self, seconds: float) -> tuple[str, Any]:
        """SQL, and its parameter, for a time so many seconds from now."""
        return "%s", self.time(timezone.now() + timedelta(seconds=seconds))

    def due_subscribers(self, after: str, limit: int) -> list[str]:
        """Subscribers with waiting callbacks, in order from `after` on: one index probe each, however many wait."""
        now, now_value = self.after(0)
        first = f"SELECT min(subscriber) FROM {CALLBACK} WHERE status = 'waiting' AND subscriber > "
        waiting = f"SELECT 1 FROM {CALLBACK} c WHERE c.status = 'waiting' AND c.subscriber = s.name"
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE s(name) AS (SELECT ({first} %s) UNION ALL "
                f"SELECT ({first} s.name) FROM s WHERE s.name IS NOT NULL) "
                f"SELECT name FROM s WHERE name IS NOT NULL "
                f"AND EXISTS ({waiting} AND c.due_at <= {now}) LIMIT %s",
                [after, now_value, limit],
            )
            return [name for (name,) in cursor.fetchall()]

    def claim(self, slots: Mapping[str, int], token: int, lease: float) -> list[Claimed]:
        claimed: list[Claimed] = []
        with transaction.atomic(using=self.using), connections[self.using].cursor() as cursor:
            for subscriber, free in slots.items():
                ids = self._due(cursor, subscriber, free)
                claimed += self._take(cursor, ids, token, lease) if ids else []
        return claimed

    def claim_among(self, ids: Sequence[int], slots: Mapping[str, int], token: int, lease: float) -> list[Claimed]:
        """The same, of these callbacks alone: for whoever asks for them by id, not for the worker's daily work."""
        claimed: list[Claimed] = []
        with transaction.atomic(using=self.using), connections[self.using].cursor() as cursor:
            for subscriber, free in slots.items():
                due = self._due(cursor, subscriber, free, ids)
                claimed += self._take(cursor, due, token, lease) if due else []
        return claimed

    def _due(self, cursor: Any, subscriber: str, limit: int, ids: Sequence[int] = ()) -> list[int]:
        now, now_value = self.after(0)
        among, among_values = (f"AND {self.among('id', ids)}", self.keys(ids)) if ids else ("", [])
        cursor.execute(
            f"SELECT id FROM {CALLBACK} WHERE status = 'waiting' AND subscriber = %s AND due_at <= {now} {among} "
            f"ORDER BY due_at LIMIT %s {self.lock}",
            [subscriber, now_value, *among_values, limit],
        )
        return [id_ for (id_,) in cursor.fetchall()]

    def _take(self, cursor: Any, ids: Sequence[int], token: int, lease: float) -> list[Claimed]:
        until, until_value = self.after(lease)
        cursor.execute(
            f"UPDATE {CALLBACK} SET status = 'sending', claim_token = %s, lease_until = {until}, "
            f"attempts = attempts + 1 WHERE {self.among('id', ids)} AND status = 'waiting'",
            [token, until_value, *self.keys(ids)],
        )
        cursor.execute(
            "SELECT id, subscriber, attempts, event_id, body, claim_token "
            f"FROM {CALLBACK} WHERE {self.among('id', ids)} AND claim_token = %s ORDER BY id",
            [*self.keys(ids), token],
        )
        return [Claimed(*row) for row in cursor.fetchall()]

    def bodies(self, event_ids: Sequence[Any]) -> dict[Any, tuple[str, str]]:
        """Body and context of events, by id."""
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                f"SELECT id, body, context FROM {EVENT} WHERE {self.among('id', event_ids)}",
                self.keys(event_ids),
            )
            return {id_: (body, context) for id_, body, context in cursor.fetchall()}

    def finish(self, cursor: Any, ids: Sequence[int], token: int, status: str, details: str) -> None:
        now, now_value = self.after(0)
        cursor.execute(
            f"UPDATE {CALLBACK} SET status = %s, status_details = %s, updated_at = {now}, claim_token = NULL, "
            f"lease_until = NULL WHERE {self.among('id', ids)} AND claim_token = %s",
            [str(status), details, now_value, *self.keys(ids), token],
        )

    def postpone(self, cursor: Any, id_: int, token: int, wait: float, details: str) -> None:
        (due, due_value), (now, now_value) = self.after(wait), self.after(0)
        cursor.execute(
            f"UPDATE {CALLBACK} SET status = 'waiting', due_at = {due}, updated_at = {now}, status_details = %s, "
            "claim_token = NULL, lease_until = NULL WHERE id = %s AND claim_token = %s",
            [due_value, now_value, details, id_, token],
        )

    def release(self, cursor: Any, ids: Sequence[int], token: int) -> None:
        cursor.execute(
            f"UPDATE {CALLBACK} SET status = 'waiting', claim_token = NULL, lease_until = NULL, "
            f"attempts = attempts - 1 WHERE {self.among('id', ids)} AND claim_token = %s",
            [*self.keys(ids), token],
        )

    def renew(self, cursor: Any, ids: Sequence[int], token: int, lease: float) -> None:
        until, until_value = self.after(lease)
        cursor.execute(
            f"UPDATE {CALLBACK} SET lease_until = {until} WHERE {self.among('id', ids)} AND claim_token = %s",
            [until_value, *self.keys(ids), token],
        )

    def expired(self, cursor: Any, limit: int) -> list[tuple[int, int]]:
        now, now_value = self.after(0)
        cursor.execute(
            f"SELECT id, attempts FROM {CALLBACK} WHERE status = 'sending' AND lease_until < {now} "
            f"LIMIT %s {self.lock}",
            [now_value, limit],
        )
        return list(cursor.fetchall())

    def take_back(self, cursor: Any, ids: Sequence[int], status: str, details: str) -> None:
        if not ids:
            return
        now, now_value = self.after(0)
        cursor.execute(
            f"UPDATE {CALLBACK} SET status = %s, status_details = %s, updated_at = {now}, claim_token = NULL, "
            f"lease_until = NULL WHERE {self.among('id', ids)}",
            [str(status), details, now_value, *self.keys(ids)],
        )

    def log(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write attempts down; a row is in the order of ATTEMPT_COLUMNS."""
        values = ", ".join([f"({', '.join(['%s'] * len(ATTEMPT_COLUMNS))})"] * len(rows))
        cursor.execute(f"INSERT INTO {ATTEMPT} ({', '.join(ATTEMPT_COLUMNS)}) VALUES {values}", list(chain(*rows)))

    def among(self, column: str, keys: Sequence[Any]) -> str:
        return f"{column} IN ({', '.join(['%s'] * len(keys))})"

    def keys(self, keys: Sequence[Any]) -> list[Any]:
        return list(keys)


class PostgreSQL(Dialect):
    """Rows that another worker has locked are passed over; one array takes the place of many parameters."""

    lock = "FOR UPDATE SKIP LOCKED"

    def after(self, seconds: float) -> tuple[str, Any]:
        return "(now() + %s * interval '1 second')", seconds

    def claim(self, slots: Mapping[str, int], token: int, lease: float) -> list[Claimed]:
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                "WITH due AS (SELECT w.id FROM unnest(%s::text[], %s::int[]) AS s(name, free) CROSS JOIN LATERAL ("
                f"SELECT id FROM {CALLBACK} WHERE status = 'waiting' AND subscriber = s.name AND due_at <= now() "
                "ORDER BY due_at LIMIT s.free FOR UPDATE SKIP LOCKED) AS w) "
                f"UPDATE {CALLBACK} c SET status = 'sending', claim_token = %s, attempts = attempts + 1, "
                "lease_until = now() + %s * interval '1 second' FROM due, "
                # A claim that a crash of the server forgets is only made again: no need to wait for its disk.
                "(SELECT set_config('synchronous_commit', 'off', true)) AS quick WHERE c.id = due.id "
                "RETURNING c.id, c.subscriber, c.attempts, c.event_id, c.body, c.claim_token",
                [list(slots), list(slots.values()), token, lease],
            )
            return sorted((Claimed(*row) for row in cursor.fetchall()), key=lambda claimed: claimed.id)

    def among(self, column: str, keys: Sequence[Any]) -> str:  # noqa: ARG002
        return f"{column} = ANY(%s)"

    def keys(self, keys: Sequence[Any]) -> list[Any]:
        return [list(keys)]

    def log(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        statement = f"COPY {ATTEMPT} ({', '.join(ATTEMPT_COLUMNS)}) FROM STDIN"
        # Django does not know `copy`: unwrapped, a connection cut just here would end the worker.
        with connections[self.using].wrap_database_errors, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)


@cache
def dialect_for(using: str) -> Dialect:
    return PostgreSQL(using) if connections[using].vendor == "postgresql" else Dialect(using)
