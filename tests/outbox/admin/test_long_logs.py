"""Whatever is looked for among 100,000 callbacks is found by an index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from heliostat.outbox.models import Callback, Event
from heliostat.webhooks.models import Hook

MANY = 100_000
CALLBACKS = "/admin/heliostat_outbox/callback/"
EVENTS = "/admin/heliostat_outbox/event/"
TABLES = (Callback._meta.db_table, Event._meta.db_table)
pytestmark = pytest.mark.django_db(databases="__all__")

NUMBERS = {
    "mysql": f"SELECT seq AS n FROM seq_1_to_{MANY} WHERE %s",
    "postgresql": "SELECT n FROM generate_series(1, %s) AS n",
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %s) SELECT n FROM s",
}
UUIDS = {
    "mysql": "lpad(hex(n), 32, '0')",
    "postgresql": "lpad(to_hex(n), 32, '0')::uuid",
    "sqlite": "printf('%%032x', n)",
}
AGO = {
    "mysql": "utc_timestamp(6) - INTERVAL (%s - n) MINUTE",
    "postgresql": "now() - (%s - n) * interval '1 minute'",
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || (%s - n) || ' minutes')",
}


@pytest.fixture
def log(site_on: str) -> str:
    """One a minute, one in a hundred given up, one in a thousand cancelled, the last fifty waiting; five hooks."""
    vendor = connections[site_on].vendor
    hook = "'hook:' || (n %% 5)" if vendor == "sqlite" else "concat('hook:', n %% 5)"
    ago, numbers, id_ = AGO[vendor], NUMBERS[vendor], UUIDS[vendor]
    ended = "CASE WHEN n %% 1000 = 7 THEN 'cancelled' WHEN n %% 100 = 9 THEN 'error' ELSE 'sent' END"
    status = f"CASE WHEN n > %s THEN 'waiting' ELSE {ended} END"
    with connections[site_on].cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Event._meta.db_table} (id, resource, action, object_id, body, context, created_at, matched) "
            f"SELECT {id_}, 'example.vehicle', 'updated', CAST(n %% 10000 AS varchar(5)), '{{}}', '{{}}', {ago}, TRUE "
            f"FROM ({numbers}) AS x",
            [MANY, MANY],
        )
        cursor.execute(
            f"INSERT INTO {Callback._meta.db_table} "
            "(event_id, subscriber, status, status_details, attempts, due_at, created_at, updated_at) "
            f"SELECT {id_}, {hook}, {status}, '', 1, {ago}, {ago}, {ago} FROM ({numbers}) AS x ORDER BY n",
            [MANY - 50, MANY, MANY, MANY, MANY],
        )
        if vendor == "postgresql":
            cursor.execute("ANALYZE")
    return site_on


@pytest.fixture
def staff(log: str, client: Client, django_user_model: Any) -> Client:
    client.force_login(django_user_model.objects.create_superuser("root", password="x"))
    return client


def plans(queries: CaptureQueriesContext, using: str) -> Iterator[str]:
    """How the database answers each statement that reads the log."""
    explain = "EXPLAIN QUERY PLAN " if connections[using].vendor == "sqlite" else "EXPLAIN "
    for query in list(queries):
        if "heliostat_outbox" in query["sql"] and query["sql"].startswith("SELECT"):
            with connections[using].cursor() as cursor:
                cursor.execute(explain + query["sql"].replace("%", "%%"), [])
                yield query["sql"] + "\n" + "\n".join(_line(row) for row in cursor.fetchall())


def _line(row: tuple[Any, ...]) -> str:
    """MariaDB has a table of a plan; the others, a text of it in the last column."""
    return " ".join(map(str, row)) if len(row) > 4 else str(row[-1])


def is_by_index(plan: str) -> bool:
    """SQLite calls the walk along the primary key a scan. It ends at the limit for what most callbacks are; for what is
    waiting or being sent it prefers that walk to a sort, and needs a millisecond for 10,000."""
    sql, *lines = plan.splitlines()
    if any(f"Seq Scan on {table}" in plan or f"{table} ALL " in plan for table in TABLES):
        return False
    is_walk = "WHERE" not in sql or any(f"= ('{status}')" in sql for status in ("sent", "waiting", "sending"))
    scans = [line for line in lines for table in TABLES if line.startswith(f"SCAN {table}") and "USING" not in line]
    return not scans or is_walk


def test_every_way_through_the_log_goes_by_an_index(staff: Client, log: str) -> None:
    one = Callback.objects.using(log).order_by("pk")[500]
    by_number = Callback.objects.using(log).filter(Q(pk=one.pk) | Q(event__object_id=str(one.pk))).count()
    ways = {
        "": 10_000, "?p=50": 10_000, "?subscriber=hook:1": 10_000, "?subscriber=hook:1&status=error": 0,
        "?subscriber=hook:4&status=error": 1000, "?status=error": 1000, "?status=cancelled": 100, "?status=waiting": 50,
        "?status=sending": 0, "?status=sent": 10_000, "?since=hour": 60, "?since=day": 1440,
        "?since=week&status=error": 100, f"?q={one.pk}": by_number, f"?q={one.event_id}": 1, f"?q={one.message_id}": 1,
        "?q=hook:3": 10_000, "?q=nothing": 0,
    }  # fmt: skip
    for way, count in ways.items():
        page = indexed_page(staff, CALLBACKS + way, log)
        assert page.context["cl"].result_count == count, way
        assert ("more than 10000 callbacks" in page.content.decode()) == (count == 10_000), way
    for way in (EVENTS, f"{EVENTS}?q={one.event_id}", f"{EVENTS}?q=77", f"{CALLBACKS}{one.pk}/change/"):
        indexed_page(staff, way, log)
    for pk in range(1, 5):
        Hook.objects.using(log).create(pk=pk, target_url="https://receiver.example.com/", signals=["example.vehicle.*"])
    hooks = indexed_page(staff, "/admin/heliostat_webhooks/hook/", log).context["cl"].result_list
    assert [hook.summary.waiting for hook in hooks] == [10] * 4
    assert all(hook.summary.last_success for hook in hooks)


def indexed_page(staff: Client, address: str, using: str) -> Any:
    with CaptureQueriesContext(connections[using]) as queries:
        page = staff.get(address)
    assert page.status_code == 200
    assert len(queries) < 40, address
    slow = [plan for plan in plans(queries, using) if not is_by_index(plan)]
    assert not slow, f"{address}: {slow[0]}"
    return page
