"""The SQL that all databases understand, and what a dialect may say otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from itertools import chain
from typing import Any, NamedTuple

from django.db import connections, transaction
from django.utils import timezone

from heliostat.outbox.dialect.inserts import Row, chunks, insert_callbacks, insert_events, insert_failed
from heliostat.outbox.models import Attempt, Callback, CircuitBreaker, Event

CALLBACK = Callback._meta.db_table
EVENT = Event._meta.db_table
ATTEMPT = Attempt._meta.db_table
BREAKER = CircuitBreaker._meta.db_table
LOOKED_AT = 1000  # callbacks with ordering keys at once
PUT_OFF = 3600.0  # seconds, at most: a callback behind the head of its line becomes the head sooner
ATTEMPT_COLUMNS = (
    "callback_id", "number", "started_at", "duration_ms", "outcome", "status_code", "error", "response",
    "response_headers",
)  # fmt: skip


Due = list[tuple[int, str | None]]
"""Ids and ordering keys of callbacks."""


class Claimed(NamedTuple):
    """A callback that a worker has taken, with all that it needs to send it."""

    id: int
    subscriber: str
    attempts: int
    event_id: str
    body: str | None
    ordering_key: str | None
    token: int


class Dialect:
    """What all databases understand.

    Callbacks of a subscriber with one ordering key are sent one after the other. The head of their line is the one that
    is being sent, or else the oldest that waits; only the head may be claimed.

    `lock` ends a SELECT whose rows no other worker is to take; `by_id` and `by_what_waits` name its index to a planner
    that would take another. `insert` begins a statement that writes callbacks down. `has_notify` says that the database
    itself wakes workers at a commit.
    """

    lock = ""
    insert = "INSERT"
    unmatched = "NOT matched"
    by_what_waits = ""
    by_id = ""
    has_notify = False
    head_of_line = (  # with the ordering key of `l`; "sending" is before "waiting" in the alphabet, and in the index
        f"SELECT o.id FROM {CALLBACK} o WHERE o.subscriber = l.subscriber AND o.ordering_key = l.ordering_key "
        "AND o.ordering_key IS NOT NULL AND o.status IN ('waiting', 'sending') ORDER BY o.status, o.id LIMIT 1"
    )

    def __init__(self, using: str) -> None:
        self.using = using
        self.time = connections[using].ops.adapt_datetimefield_value

    def named_pipes(self, connection: Any) -> str | None:  # noqa: ARG002
        """Return what names the database to processes of this machine that wake its workers; None where none does."""
        return None

    @property
    def is_in_memory(self) -> bool:
        """Whether the database is this process's alone."""
        return False

    def after(self, seconds: float) -> tuple[str, Any]:
        """SQL, and its parameter, for a time so many seconds from now."""
        now = timezone.now()
        return "%s", self.time(now + timedelta(seconds=seconds) if seconds else now)

    def write(self, cursor: Any, events: Sequence[Row], callbacks: Sequence[Row], failed: Sequence[Row] = ()) -> None:
        """Write events and callbacks, rows in the order of EVENT_COLUMNS and CALLBACK_COLUMNS, and notify.

        `failed` are callbacks that cannot be rendered: rows of an event's id, a subscriber, an ordering key, the reason
        and what the owner of the subscriber is shown of it.
        """
        now, value = self.after(0)  # by the clock that says what is due, whatever ours shows
        for rows in chunks(events):
            cursor.execute(insert_events(len(rows), self.insert), list(chain(*rows)))
        for rows in chunks(callbacks):
            cursor.execute(insert_callbacks(len(rows), now, self.insert), [*chain(*rows), value, value, value])
        for rows in chunks(failed):
            cursor.execute(insert_failed(len(rows), now, self.insert), [*chain(*rows), value, value, value])
        self.notify(cursor)

    def notify(self, cursor: Any) -> None:
        """Let the database wake all workers when this transaction commits, where it can."""

    def due_subscribers(self, after: str, limit: int) -> dict[str, str]:
        """Return subscribers with due callbacks, in order from `after` on, with `CircuitBreaker.state` of each.

        It takes a few index probes each, however many wait. Those whose circuit breaker is open are left out.
        """
        now, now_value = self.after(0)
        first = f"SELECT min(subscriber) FROM {CALLBACK} WHERE status = 'waiting' AND subscriber > "
        oldest = (  # by order, not by EXISTS: that a planner may look up by another index, among all that was ever sent
            f"SELECT c.due_at FROM {CALLBACK} c WHERE c.status = 'waiting' AND c.subscriber = s.name "
            "ORDER BY c.due_at LIMIT 1"
        )
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE s(name) AS (SELECT ({first} %s) UNION ALL "
                f"SELECT ({first} s.name) FROM s WHERE s.name IS NOT NULL) "
                f"SELECT name, state FROM (SELECT name, {self.breaker_state('s.name', now)} AS state FROM s "
                f"WHERE name IS NOT NULL AND ({oldest}) <= {now}) AS due "
                "WHERE state <> 'open' LIMIT %s",
                [after, now_value, now_value, limit],
            )
            return dict(cursor.fetchall())

    def waiting(self) -> list[tuple[str, int, datetime]]:
        """Subscribers with waiting callbacks: how many, and when the first is due. Counted in the index alone."""
        with connections[self.using].cursor() as cursor:
            cursor.execute(self._count_waiting())
            return [(name, count, self._read_time(due)) for name, count, due in cursor.fetchall()]

    def _count_waiting(self) -> str:
        first = f"SELECT min(subscriber) FROM {CALLBACK} WHERE status = 'waiting' AND subscriber > "
        of = f"FROM {CALLBACK} c WHERE c.status = 'waiting' AND c.subscriber = s.name"
        return (
            f"WITH RECURSIVE s(name) AS (SELECT ({first} '') UNION ALL "
            f"SELECT ({first} s.name) FROM s WHERE s.name IS NOT NULL) "
            f"SELECT name, (SELECT count(*) {of}), (SELECT min(c.due_at) {of}) FROM s "
            f"WHERE name IS NOT NULL AND EXISTS (SELECT 1 {of})"
        )

    def _read_time(self, value: Any) -> Any:
        convert = getattr(connections[self.using].ops, "convert_datetimefield_value", None)
        return convert(value, None, connections[self.using]) if convert else value

    def sending(self) -> Counter[str]:
        """How many callbacks of each subscriber are being sent. There are never many."""
        with connections[self.using].cursor() as cursor:  # spelt out, so that every database sees which index will do
            cursor.execute(f"SELECT subscriber FROM {CALLBACK} WHERE status = 'sending' AND lease_until IS NOT NULL")
            return Counter(name for (name,) in cursor.fetchall())

    def breaker_state(self, subscriber: str, now: str) -> str:
        """Return SQL for the state of a subscriber's circuit breaker (see `CircuitBreaker.state`)."""
        return (
            f"COALESCE((SELECT CASE WHEN g.open_until > {now} THEN 'open' WHEN g.openings > 0 THEN 'half-open' "
            "WHEN g.failing_since IS NOT NULL THEN 'failing' ELSE '' END "
            f"FROM {BREAKER} g WHERE g.subscriber = {subscriber}), '')"
        )

    def claim(self, slots: Mapping[str, int], token: int, lease: float, ids: Sequence[int] = ()) -> list[Claimed]:
        """Take what is due, up to so many of each subscriber; if there are ids, of these callbacks alone."""
        with transaction.atomic(using=self.using), connections[self.using].cursor() as cursor:
            due = self.due_of_all(cursor, slots, ids)
            free_to_go = [id_ for rows in due.values() for id_, ordering_key in rows if ordering_key is None]
            claimed = self.take(cursor, free_to_go, token, lease) if free_to_go else []
        ordered = {name: sum(ordering_key is not None for _, ordering_key in rows) for name, rows in due.items()}
        return claimed + self.claim_in_order(ordered, token, lease, ids) if any(ordered.values()) else claimed

    def claim_in_order(
        self, slots: Mapping[str, int], token: int, lease: float, ids: Sequence[int] = ()
    ) -> list[Claimed]:
        """Claim callbacks that are due and the head of their line, up to so many of each subscriber.

        One worker at a time does this for a subscriber.
        """
        claimed: list[Claimed] = []
        for subscriber, free in slots.items():
            if free:
                with self.alone_with(subscriber) as alone, connections[self.using].cursor() as cursor:
                    claimed += self._claim_heads(cursor, subscriber, free, token, lease, ids) if alone else []
        return claimed

    def _claim_heads(
        self, cursor: Any, subscriber: str, free: int, token: int, lease: float, ids: Sequence[int]
    ) -> list[Claimed]:
        """Claim heads of lines, and put off what is behind them, so that no claim looks at it in vain.

        The rows are locked before the heads are looked up: a worker that records the result of a head meanwhile waits,
        and then makes the next head due.
        """
        due = [id_ for id_, ordering_key in self.due(cursor, subscriber, LOOKED_AT, ids) if ordering_key is not None]
        heads = self.heads_of_line(cursor, due)
        if behind := [id_ for id_ in due if id_ not in heads]:
            later, later_value = self.after(PUT_OFF)
            cursor.execute(
                f"UPDATE {CALLBACK} SET due_at = {later} WHERE {self.among('id', behind)}",
                [later_value, *self.keys(behind)],
            )
        taken = [id_ for id_ in due if id_ in heads][:free]
        return self.take(cursor, taken, token, lease) if taken else []

    def heads_of_line(self, cursor: Any, ids: Sequence[int]) -> set[int]:
        """Return the heads of the lines that these callbacks are in."""
        if not ids:
            return set()
        cursor.execute(
            f"SELECT ({self.head_of_line}) FROM (SELECT DISTINCT subscriber, ordering_key FROM {CALLBACK} "
            f"WHERE {self.among('id', ids)} AND ordering_key IS NOT NULL) l",
            self.keys(ids),
        )
        return {id_ for (id_,) in cursor.fetchall() if id_ is not None}

    def make_heads_due(self, cursor: Any, ids: Sequence[int]) -> None:
        """Make the new heads of lines due: these callbacks, the former ones, have ended."""
        if heads := list(self.heads_of_line(cursor, ids)):
            now, now_value = self.after(0)
            cursor.execute(  # also where it is due already: if a worker is about to put it off, this waits for that
                f"UPDATE {CALLBACK} SET due_at = CASE WHEN due_at > {now} THEN {now} ELSE due_at END "
                f"WHERE {self.among('id', heads)} AND status = 'waiting'",
                [now_value, now_value, *self.keys(heads)],
            )

    @contextmanager
    def alone_with(self, subscriber: str) -> Iterator[bool]:  # noqa: ARG002
        """A transaction, and whether no other worker takes ordered callbacks of this subscriber until it ends."""
        with transaction.atomic(using=self.using):
            yield True

    def due_of_all(self, cursor: Any, slots: Mapping[str, int], ids: Sequence[int]) -> dict[str, Due]:
        """What is due of each subscriber, up to its slots."""
        return {name: self.due(cursor, name, free, ids) for name, free in slots.items()}

    def due(self, cursor: Any, subscriber: str, limit: int, ids: Sequence[int] = ()) -> Due:
        """Return id and ordering key of what is due, locked where the database locks rows."""
        now, now_value = self.after(0)
        among, among_values = (f"AND {self.among('id', ids)}", self.keys(ids)) if ids else ("", [])
        cursor.execute(
            f"SELECT id, ordering_key FROM {CALLBACK} {self.by_id if ids else self.by_what_waits} "
            f"WHERE status = 'waiting' AND subscriber = %s AND due_at <= {now} {among} "
            f"ORDER BY due_at LIMIT %s {self.lock}",
            [subscriber, now_value, *among_values, limit],
        )
        return list(cursor.fetchall())

    def take(self, cursor: Any, ids: Sequence[int], token: int, lease: float) -> list[Claimed]:
        until, until_value = self.after(lease)
        cursor.execute(
            f"UPDATE {CALLBACK} SET status = 'sending', claim_token = %s, lease_until = {until}, "
            f"attempts = attempts + 1 WHERE {self.among('id', ids)} AND status = 'waiting'",
            [token, until_value, *self.keys(ids)],
        )
        cursor.execute(
            f"SELECT {self.claimed_columns()} FROM {CALLBACK} "
            f"WHERE {self.among('id', ids)} AND claim_token = %s ORDER BY id",
            [*self.keys(ids), token],
        )
        return [Claimed(*row) for row in cursor.fetchall()]

    def bodies(self, event_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
        """Body and context of events, by id."""
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                f"SELECT {self.text('id')}, body, context FROM {EVENT} WHERE {self.among('id', event_ids)}",
                self.keys(event_ids),
            )
            return {id_: (body, context) for id_, body, context in cursor.fetchall()}

    def finish(self, cursor: Any, ids: Sequence[int], token: int | None, status: str, details: str) -> None:
        """End the claim of callbacks: one with this token; any, where there is none."""
        now, now_value = self.after(0)
        is_claimed, tokens = ("", []) if token is None else ("AND claim_token = %s", [token])
        cursor.execute(
            f"UPDATE {CALLBACK} SET status = %s, status_details = %s, updated_at = {now}, claim_token = NULL, "
            f"lease_until = NULL WHERE {self.among('id', ids)} {is_claimed}",
            [str(status), details, now_value, *self.keys(ids), *tokens],
        )

    def postpone(self, cursor: Any, id_: int, token: int, wait: float, details: str) -> None:
        (due, due_value), (now, now_value) = self.after(wait), self.after(0)
        cursor.execute(
            f"UPDATE {CALLBACK} SET status = 'waiting', due_at = {due}, updated_at = {now}, status_details = %s, "
            "claim_token = NULL, lease_until = NULL WHERE id = %s AND claim_token = %s",
            [due_value, now_value, details, id_, token],
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

    def is_conflict(self, error: BaseException) -> bool:  # noqa: ARG002
        """Whether the database chose this transaction to give way to another: it can be tried again at once."""
        return False

    def log(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write attempts down; a row is in the order of ATTEMPT_COLUMNS."""
        values = ", ".join([f"({', '.join(['%s'] * len(ATTEMPT_COLUMNS))})"] * len(rows))
        cursor.execute(f"INSERT INTO {ATTEMPT} ({', '.join(ATTEMPT_COLUMNS)}) VALUES {values}", list(chain(*rows)))

    def claimed_columns(self, of: str = "") -> str:
        """SQL for the facts of a `Claimed`, in their order."""
        event = self.text(f"{of}event_id")
        return f"{of}id, {of}subscriber, {of}attempts, {event}, {of}body, {of}ordering_key, {of}claim_token"

    def text(self, event_id: str) -> str:
        """SQL for the id of an event as text."""
        return event_id

    def among(self, column: str, keys: Sequence[Any]) -> str:
        return f"{column} IN ({', '.join(['%s'] * len(keys))})"

    def keys(self, keys: Sequence[Any]) -> list[Any]:
        return list(keys)
