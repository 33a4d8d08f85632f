"""However many wait, and however many were sent before them, a claim reads what it takes and little more."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from heliostat.outbox import transitions
from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.models import Callback, Event

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
MANY = 2000
TABLE = Callback._meta.db_table
BY = ("heliostat_waiting", "PRIMARY KEY", "_circuitbreaker")


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


def explained(using: str, explain: str) -> list[list[Any]]:
    """What the database says of each statement on callbacks, when it looks and claims."""
    answers: list[list[Any]] = []

    def note(execute_it: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if TABLE in sql and not sql.startswith("EXPLAIN"):
            with transaction.atomic(using=using):  # to analyse a statement runs it
                answers.append(execute(using, explain + sql, params))
                transaction.set_rollback(True, using=using)
        return execute_it(sql, params, many, context)

    with connections[using].execute_wrapper(note):
        look_and_claim(using)
    assert answers
    return answers


def rows_read(plan: dict[str, Any]) -> float:
    """The rows of callbacks that a plan of PostgreSQL has read, by whatever index or without one."""
    read = sum(map(rows_read, plan.get("Plans", ())))
    is_bitmap = plan["Node Type"] == "Bitmap Index Scan"
    if (plan.get("Relation Name") == TABLE and plan["Node Type"].endswith("Scan")) or is_bitmap:
        removed = sum(value for name, value in plan.items() if name.startswith("Rows Removed by"))
        read += (plan["Actual Rows"] + removed) * plan["Actual Loops"]
    return float(read)


def test_no_row_is_read_that_is_not_claimed(many_wait: str) -> None:
    """PostgreSQL and MariaDB count what they read; whichever index they choose, it is little."""
    if connections[many_wait].vendor == "sqlite":
        pytest.skip("SQLite does not count; its plan, which no statistics change, is looked at below")
    if connections[many_wait].vendor == "postgresql":
        answers = explained(many_wait, "EXPLAIN (ANALYZE, FORMAT JSON) ")
        read = sum(rows_read(json_of(answer[0][0])["Plan"]) for answer in answers)
        assert read >= len(answers), "the count counts"
    else:
        execute(many_wait, "FLUSH STATUS")
        look_and_claim(many_wait)
        read = sum(int(count) for _, count in execute(many_wait, "SHOW SESSION STATUS LIKE 'Handler_read%%'"))
    assert read < MANY / 2  # the claimed ones some ten times


def json_of(answer: Any) -> dict[str, Any]:
    (plan,) = json.loads(answer) if isinstance(answer, str) else answer
    return dict(plan)


def test_no_index_but_that_of_what_waits_is_read(many_wait: str) -> None:
    if connections[many_wait].vendor != "sqlite":
        pytest.skip("there the rows that are read are counted, see above")
    for steps in explained(many_wait, "EXPLAIN QUERY PLAN "):
        texts = [str(row[-1]) for row in steps]
        reads = [step for step in texts if step.startswith(("SEARCH", "SCAN"))]
        assert reads
        assert not [step for step in reads if "heliostat_" in step and not any(index in step for index in BY)], texts
