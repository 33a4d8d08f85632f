"""A database that is busy, full, cut off or changed under a worker: nothing is lost, and the worker goes on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created

from heliostat import emit
from heliostat.outbox.models import Attempt, Callback, Event
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.delivery.working import eventually, hook_to, vehicles, working
from tests.example.models import Vehicle

SERVER = "postgresql"
HAS_SERVER = SERVER in connections.databases

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", *([SERVER] if HAS_SERVER else [])])
on_server = pytest.mark.skipif(not HAS_SERVER, reason="no PostgreSQL at 127.0.0.1:5432")
BOTH = pytest.mark.parametrize("using", ["default", pytest.param(SERVER, marks=on_server)])


def all_sent(using: str) -> bool:
    return set(Callback.objects.using(using).values_list("status", flat=True)) == {"sent"}


def cut_off_the_others() -> None:
    """As a restarted server would: every connection but this test's own ends."""
    with connections[SERVER].cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


@on_server
def test_a_worker_whose_connections_are_cut_goes_on(receiver: Receiver) -> None:
    hook_to(receiver)
    with working(SERVER):
        for round_ in range(4):
            vehicles(10, SERVER)
            receiver.wait_for(10 * round_ + 5, timeout=30)
            cut_off_the_others()
        assert eventually(lambda: all_sent(SERVER))
    heard = {one.json["object_id"] for one in receiver.deliveries}
    assert len(heard) == 40
    ids = Counter(one.id for one in receiver.deliveries)
    assert len(ids) == 40, "a repeat has the id of the first"


@contextmanager
def nobody_is_let_in() -> Iterator[None]:
    """New connections are refused, as they are where a pool is used up."""
    of = connections[SERVER].settings_dict
    login = {"host": of["HOST"], "user": of["USER"], "password": of["PASSWORD"], "dbname": "postgres"}
    with psycopg.connect(**login, autocommit=True) as administrator:
        allow = f'ALTER DATABASE "{of["NAME"]}" WITH ALLOW_CONNECTIONS'
        administrator.execute(f"{allow} false")
        try:
            yield
        finally:
            administrator.execute(f"{allow} true")


@on_server
def test_a_worker_whose_connections_are_refused_waits(receiver: Receiver, caplog: Any) -> None:
    hook_to(receiver)
    with working(SERVER):
        vehicles(1, SERVER)
        receiver.wait_for(1, timeout=30)
        with nobody_is_let_in():
            cut_off_the_others()
            vehicles(5, SERVER)
            assert eventually(lambda: "out of reach" in caplog.text)
            assert len(receiver.deliveries) == 1
        assert eventually(lambda: all_sent(SERVER))
    assert len({one.id for one in receiver.deliveries}) == 6


@contextmanager
def another_process_writes() -> Iterator[None]:
    """A transaction that holds SQLite's one write lock."""
    code = f"import sqlite3; c = sqlite3.connect({str(connection.settings_dict['NAME'])!r}, isolation_level=None)\n"
    code += "c.execute('BEGIN IMMEDIATE'); print('holds', flush=True); input(); c.execute('ROLLBACK')"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "holds\n"
        try:
            yield
        finally:
            process.communicate("\n")


@contextmanager
def before_each_statement(pragma: Callable[[], str]) -> Iterator[None]:
    """On SQLite, in every thread."""

    def run(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        context["connection"].connection.execute(f"PRAGMA {pragma()}")
        return execute(sql, parameters, many, context)

    def prepare(connection: Any, **_: Any) -> None:
        if connection.vendor == "sqlite":
            connection.execute_wrappers.append(run)

    prepare(connection)
    connection_created.connect(prepare)
    try:
        yield
    finally:
        connection_created.disconnect(prepare)
        connection.execute_wrappers.remove(run)
        connection.close()


def impatiently() -> str:
    return "busy_timeout = 50"


def test_a_sqlite_file_that_is_busy_makes_a_worker_wait_and_a_change_fail(receiver: Receiver, caplog: Any) -> None:
    hook_to(receiver)
    vehicles(3)
    with before_each_statement(impatiently):
        with another_process_writes():
            with pytest.raises(OperationalError, match="locked"):
                Vehicle.objects.create(name="56")
            with working():
                assert eventually(lambda: "out of reach" in caplog.text)
                assert receiver.deliveries == []
        with working():
            assert eventually(lambda: all_sent("default"))
    assert len(receiver.deliveries) == 3


def test_results_wait_while_a_sqlite_file_is_busy(caplog: Any) -> None:
    asked, answer = threading.Event(), threading.Event()

    def wait(_: object) -> Answer:
        asked.set()
        answer.wait(30)
        return Answer()

    with Receiver(answers=wait) as receiver, before_each_statement(impatiently):
        hook_to(receiver)
        vehicles(1)
        with working():
            assert asked.wait(30)
            with another_process_writes():
                answer.set()
                assert eventually(lambda: "out of reach" in caplog.text)
            assert eventually(lambda: all_sent("default"))
        assert len(receiver.deliveries) == 1, "it is written down later, not sent again"


def test_a_disk_that_is_full_undoes_the_change_with_its_event_and_makes_a_worker_wait(caplog: Any) -> None:
    asked, answer, pages = threading.Event(), threading.Event(), [2**30]

    def wait(_: object) -> Answer:
        asked.set()
        answer.wait(30)
        return Answer(body=b"x" * 1024)

    with Receiver(answers=wait) as receiver, before_each_statement(lambda: f"max_page_count = {pages[0]}"):
        hook_to(receiver)
        vehicles(30)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM")  # what other tests deleted leaves free space in the file
        with working():
            assert asked.wait(30)
            pages[0] = 1  # as many as there are now
            answer.set()
            with pytest.raises(OperationalError, match="full"):
                Vehicle.objects.create(name="large", plan={"notes": "x" * 500_000})
            assert eventually(lambda: "full" in caplog.text)
            pages[0] = 2**30
            assert eventually(lambda: all_sent("default"))
        assert len(receiver.deliveries) == 30
    assert not Vehicle.objects.filter(name="large").exists()
    assert Event.objects.count() == 30


@BOTH
def test_a_long_transaction_elsewhere_delays_only_what_it_holds(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    vehicles(20, using)
    begun, over = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            if using == SERVER:
                list(Callback.objects.using(using).select_for_update().order_by("id")[:1])
            else:  # a reader: who writes is alone there
                cursor.execute("ROLLBACK")
                cursor.execute("BEGIN DEFERRED")
                list(Callback.objects.all())
            begun.set()
            over.wait(60)
        connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert begun.wait(30)
        with working(using):
            receiver.wait_for(19 if using == SERVER else 20, timeout=30)
            over.set()
            assert eventually(lambda: all_sent(using))
    finally:
        over.set()
        thread.join()
    assert len(receiver.deliveries) == 20


@BOTH
def test_what_is_rolled_back_is_sent_to_nobody(using: str, receiver: Receiver) -> None:
    Hook.objects.create(signals=["weather.*", "example.vehicle.*"], target=receiver.url)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=using):
        Vehicle.objects.using(using).create(name="ghost")
        emit("weather.station.storm", using=using)
        raise ZeroDivisionError
    with transaction.atomic(using=using):
        Vehicle.objects.using(using).create(name="55")
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=using):
            emit("weather.station.storm", using=using)
            raise ZeroDivisionError
    assert drain_outbox(using) == {"sent": 1}
    assert receiver.deliveries[0].json["type"] == "example.vehicle.created"


@BOTH
def test_tables_are_altered_while_rows_are_queued_and_a_worker_works(using: str, receiver: Receiver) -> None:
    table = Callback._meta.db_table
    hook_to(receiver)
    vehicles(20, using)
    with working(using), connections[using].cursor() as cursor:
        receiver.wait_for(1, timeout=30)
        cursor.execute(f"ALTER TABLE {table} ADD COLUMN added integer NULL")
        vehicles(20, using)
        receiver.wait_for(21, timeout=30)
        cursor.execute(f"ALTER TABLE {table} DROP COLUMN added")
        vehicles(20, using)
        assert eventually(lambda: all_sent(using))
    assert len(receiver.deliveries) == 60


def test_what_was_queued_before_a_model_changed_is_sent_as_it_was_then(receiver: Receiver) -> None:
    hook_to(receiver)
    vehicles(1)
    event = Event.objects.get()
    event.body = event.body.replace('"seats":', '"chairs":')  # a field that has been renamed since
    event.save()
    assert drain_outbox() == {"sent": 1}
    assert "chairs" in receiver.deliveries[0].json["object_serialization"]
    assert Attempt.objects.count() == 1
