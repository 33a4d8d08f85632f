"""MariaDB, from 10.6 on: rows that another worker has locked are passed over, as on PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections

from heliostat.outbox.dialect.base import CALLBACK, Dialect

DEADLOCK, LOCK_WAIT_TIMEOUT = 1213, 1205

JUMP_ALONG = f"""
BEGIN NOT ATOMIC
    DECLARE this TYPE OF {CALLBACK}.subscriber DEFAULT %s;
    DECLARE its_due TYPE OF {CALLBACK}.due_at;
    DECLARE its_breaker VARCHAR(20);
    DECLARE found LONGTEXT DEFAULT '';
    DECLARE many INT DEFAULT 0;
    DECLARE EXIT HANDLER FOR NOT FOUND SELECT found;
    LOOP
        SELECT c.subscriber, c.due_at, {{state}} INTO this, its_due, its_breaker
            FROM {CALLBACK} c FORCE INDEX (heliostat_waiting)
            WHERE c.status = 'waiting' AND c.subscriber > this ORDER BY c.subscriber, c.due_at LIMIT 1;
        IF its_due <= {{now}} AND its_breaker <> 'open' THEN
            SET found = CONCAT(found, this, '\\n', its_breaker, '\\n'), many = many + 1;
            IF many >= %s THEN
                SIGNAL SQLSTATE '02000';
            END IF;
        END IF;
    END LOOP;
END
"""


class MariaDB(Dialect):
    """It has no partial indexes: those of the outbox are over all rows there, and begin with their limits."""

    lock = "FOR UPDATE SKIP LOCKED"
    unmatched = "matched = 0"  # else no index is used
    by_what_waits = "FORCE INDEX (heliostat_waiting)"
    by_id = "FORCE INDEX (PRIMARY)"  # what it reads it locks: by another index, that would be rows of others too
    head_of_line = (  # what has ended is in the index too, so each state is looked for by itself
        f"SELECT coalesce((SELECT o.id FROM {CALLBACK} o WHERE o.subscriber = l.subscriber "
        "AND o.ordering_key = l.ordering_key AND o.status = 'sending' LIMIT 1), "
        f"(SELECT o.id FROM {CALLBACK} o FORCE INDEX (heliostat_ordering) WHERE o.subscriber = l.subscriber "
        "AND o.ordering_key = l.ordering_key AND o.status = 'waiting' ORDER BY o.id LIMIT 1))"
    )

    def named_pipes(self, connection: Any) -> str | None:
        """Workers on the same machine are woken by a named pipe; those elsewhere poll."""
        of = connection.settings_dict
        return f"mariadb:{of['HOST']}:{of['PORT']}:{of['NAME']}"

    def after(self, seconds: float) -> tuple[str, Any]:
        if connections[self.using].timezone_name == "UTC":
            return "(UTC_TIMESTAMP(6) + INTERVAL %s SECOND)", seconds
        return super().after(seconds)

    def due_subscribers(self, after: str, limit: int) -> dict[str, str]:
        """A little program for the server: it jumps along the index only from where a plain value says to begin."""
        now, now_value = self.after(0)
        with connections[self.using].cursor() as cursor:
            cursor.execute(
                JUMP_ALONG.format(now=now, state=self.breaker_state("c.subscriber", now)),
                [after, now_value, now_value, limit],
            )
            (found,) = cursor.fetchone()
            cursor.nextset()
        lines = found.split("\n")[:-1]
        return dict(zip(lines[::2], lines[1::2], strict=True))

    @contextmanager
    def alone_with(self, subscriber: str) -> Iterator[bool]:
        connection = connections[self.using]
        database = connection.settings_dict["NAME"]  # such locks are the server's, not a database's
        lock = hashlib.sha256(f"heliostat:{database}:{subscriber}".encode()).hexdigest()
        with connection.cursor() as cursor:
            cursor.execute("SELECT get_lock(%s, 0)", [lock])
            (alone,) = cursor.fetchone()
            try:
                with super().alone_with(subscriber):
                    yield bool(alone)
            finally:
                with suppress(DatabaseError):  # a connection that was cut has let go
                    cursor.execute("SELECT release_lock(%s)", [lock])

    def _count_waiting(self) -> str:
        return (
            f"SELECT subscriber, count(*), min(due_at) FROM {CALLBACK} FORCE INDEX (heliostat_waiting) "
            "WHERE status = 'waiting' GROUP BY subscriber"
        )

    def is_conflict(self, error: BaseException) -> bool:
        return error.args[:1] in ((DEADLOCK,), (LOCK_WAIT_TIMEOUT,))
