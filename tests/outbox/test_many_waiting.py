"""However many wait, and however many were sent before them, a claim reads what it takes and little more."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from heliostat.outbox import transitions
from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.models import Callback, Event

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
MANY = 2000
TABLE = Callback._meta.db_table
BY = ("heliostat_waiting", "PRIMARY KEY", f"{TABLE}_pkey", "_gate")


@pytest.fixture
def many_wait(using: str) -> str:
    """As many were sent as wait, nearly all for one subscriber."""
    event = Event.objects.using(using).create(id=uuid.uuid4(), resource="a.b", action="c", body="{}", context="{}")
    facts = {"event": event, "due_at": timezone.now()}
    for status in ("sent", "waiting"):
        rows = [
            Callback(subscriber=f"hook:{0 if index < MANY else index}", status=status, **facts)
            for index in range(MANY + 20)
        ]
        Callback.objects.using(using).bulk_create(rows, batch_size=1000)
    execute(using, f"ANALYZE {'TABLE ' if connections[using].vendor == 'mysql' else ''}{TABLE}")
    return using


def execute(using: str, sql: str, params: Any = None) -> list[Any]:
    with connections[using].cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


def look_and_claim(using: str) -> None:
    due = dialect_for(using).due_subscribers("", 10)
    assert len(due) == 10
    assert transitions.claim(dict.fromkeys(due, 5), using)


def test_no_index_but_that_of_what_waits_is_read(many_wait: str) -> None:
    if connections[many_wait].vendor == "mysql":
        pytest.skip("there the rows that are read are counted, see below")
    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if TABLE in sql and not sql.startswith("EXPLAIN"):
            statements.append((sql, params))
        return execute(sql, params, many, context)

    with connections[many_wait].execute_wrapper(note):
        look_and_claim(many_wait)
    explain = "EXPLAIN " if connections[many_wait].vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    for sql, params in statements:
        steps = [str(row[-1]) for row in execute(many_wait, explain + sql, params)]
        reads = [step for step in steps if "Scan" in step or step.startswith(("SEARCH", "SCAN"))]
        bad = [step for step in reads if "heliostat_" in step and not any(index in step for index in BY)]
        assert reads
        assert not bad, f"{sql}\n" + "\n".join(steps)


def test_no_row_is_read_that_is_not_claimed(many_wait: str) -> None:
    if connections[many_wait].vendor != "mysql":
        pytest.skip("MariaDB counts what it reads; of the others the plans are looked at")
    execute(many_wait, "FLUSH STATUS")
    look_and_claim(many_wait)
    read = sum(int(count) for _, count in execute(many_wait, "SHOW SESSION STATUS LIKE 'Handler_read%%'"))
    assert read < MANY / 2  # the claimed ones some ten times
