"""SQLite: there is only one writer at a time, so no row needs a lock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from django.db import connections

from heliostat.outbox.dialect.base import ATTEMPT, ATTEMPT_COLUMNS, CALLBACK, Dialect, Due

LOG = f"INSERT INTO {ATTEMPT} ({', '.join(ATTEMPT_COLUMNS)}) VALUES ({', '.join(['%s'] * len(ATTEMPT_COLUMNS))})"


class SQLite(Dialect):
    """Workers beside the same file are woken by a named pipe; a database in memory is one process's alone.

    A statement is the same whatever the number of its rows, so that it is compiled once.
    """

    # Where it fails, its transaction is undone anyhow. To be able to undo it alone, SQLite would keep a copy of every
    # page that it touches: a fifth of a save that ten hooks match.
    insert = "INSERT OR FAIL"

    def __init__(self, using: str) -> None:
        super().__init__(using)
        zone = connections[using].timezone
        if zone is UTC:  # as Django writes it, in half the time
            self.time = lambda value: str(value.astimezone(UTC)).removesuffix("+00:00") if value else None
        elif zone:
            self.time = lambda value: str(value.astimezone(zone).replace(tzinfo=None)) if value else None

    def named_pipes(self, connection: Any) -> str | None:
        return None if connection.is_in_memory_db() else str(connection.settings_dict["NAME"])

    @property
    def is_in_memory(self) -> bool:
        return bool(connections[self.using].is_in_memory_db())  # type: ignore[attr-defined]

    def due_of_all(self, cursor: Any, slots: Mapping[str, int], ids: Sequence[int]) -> dict[str, Due]:
        """One statement for all: among fifty receivers, one for each would be a sixth of the worker's time.

        SQLite knows no limit that differs from row to row, so what is found beyond a subscriber's own is left.
        """
        if ids or not slots:
            return super().due_of_all(cursor, slots, ids)
        now, now_value = self.after(0)
        cursor.execute(
            f"WITH s(name) AS (VALUES {', '.join(['(%s)'] * len(slots))}) "
            f"SELECT s.name, c.id, c.ordering_key FROM s CROSS JOIN {CALLBACK} c "
            f"WHERE c.id IN (SELECT w.id FROM {CALLBACK} w WHERE w.status = 'waiting' AND w.subscriber = s.name "
            f"AND w.due_at <= {now} ORDER BY w.due_at LIMIT %s) "
            "ORDER BY c.due_at",
            [*slots, now_value, max(slots.values())],
        )
        due: dict[str, Due] = {name: [] for name in slots}
        for name, id_, ordering_key in cursor.fetchall():
            if len(due[name]) < slots[name]:
                due[name].append((id_, ordering_key))
        return due

    def log(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        cursor.executemany(LOG, rows)

    def among(self, column: str, keys: Sequence[Any]) -> str:  # noqa: ARG002
        return f"{column} IN (SELECT value FROM json_each(%s))"

    def keys(self, keys: Sequence[Any]) -> list[Any]:
        return [json.dumps(list(keys))]
