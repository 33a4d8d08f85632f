"""A PostgreSQL of the test's own is restarted, crashes, is crowded and runs out of disk, under the same worker."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from heliostat.testing import Answer, Receiver
from tests.chaos.postgres import OwnServer, binaries, own_server
from tests.chaos.processes import MIGRATE, World
from tests.chaos.test_killed_processes import HOOK
from tests.delivery.working import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(binaries() is None, reason="no initdb and pg_ctl of PostgreSQL here"),
]

WRITE = "from tests.example.models import Vehicle\nfor i in range({count}): Vehicle.objects.create(name=str(i))"
MANY = """
from django.db import Error
from heliostat.outbox.models import Event
from tests.example.models import Vehicle
try:
    Vehicle.objects.bulk_create(Vehicle(name="x" * 50, plan={"x": "y" * 1000}) for _ in range(1000))
except Error as error:
    answer([str(error), Vehicle.objects.count(), Event.objects.count()])
"""
UNFINISHED = "SELECT 1 FROM heliostat_outbox_callback WHERE status <> 'sent' LIMIT 1"
SIZE, LARGER = "size=48m", "remount,size=96m"


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as started:
        yield started


@pytest.fixture
def made(server: OwnServer, receiver: Receiver, request: pytest.FixtureRequest) -> World:
    """A project with a database of its own there, and a hook to the receiver."""
    return project(server, receiver, "project_" + request.node.name[5:25])


def project(server: OwnServer, receiver: Receiver, name: str, options: str = "") -> World:
    server.execute(f"CREATE DATABASE {name} {options}")
    world = World(name)
    world.environment.update(server.environment)
    world.run(MIGRATE + HOOK.format(url=receiver.url))
    return world


@contextmanager
def one_worker(made: World, said: Path = Path(os.devnull)) -> Iterator[None]:
    """The same from beginning to end: it ends when it is asked to, and well."""
    with said.open("w") as file:
        worker = made.start("-m", "django", "worker", stderr=file)
    try:
        yield
        assert worker.poll() is None, "it ended by itself"
    finally:
        worker.terminate()
        worker.communicate(timeout=30)
    assert worker.returncode == 0


def all_sent(server: OwnServer, made: World) -> bool:
    try:
        with connection_to(server, made) as connection:
            return connection.execute(UNFINISHED).rowcount == 0
    except psycopg.OperationalError:
        return False


def connection_to(server: OwnServer, made: World) -> psycopg.Connection[tuple[object, ...]]:
    name = made.environment["CHAOS_DATABASE"]
    return psycopg.connect(host=str(server.folder), user="postgres", dbname=name, autocommit=True)


def test_a_server_that_is_restarted_and_crashes_is_waited_for(
    server: OwnServer, made: World, receiver: Receiver
) -> None:
    receiver.answers = lambda _: Answer(delay=0.05)
    made.run(WRITE.format(count=300))
    with one_worker(made):
        receiver.wait_for(1, timeout=30)
        server.restart("fast")
        receiver.wait_for(len(receiver.deliveries) + 1, timeout=30)
        server.restart("immediate")
        made.run(WRITE.format(count=10))
        assert eventually(lambda: all_sent(server, made))
    assert len({one.id for one in receiver.deliveries}) == 310


def test_a_server_whose_connections_are_used_up_is_waited_for(
    server: OwnServer, made: World, receiver: Receiver
) -> None:
    with ExitStack() as crowd, one_worker(made):
        made.run(WRITE.format(count=1))
        receiver.wait_for(1, timeout=30)
        made.run(WRITE.format(count=20))
        killer = crowd.enter_context(connection_to(server, made))
        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            while True:
                killer.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
                    "AND application_name = '' AND backend_type = 'client backend'"
                )
                crowd.enter_context(crowding(server))
        crowd.close()
        assert eventually(lambda: all_sent(server, made))
    assert len({one.id for one in receiver.deliveries}) == 21


def crowding(server: OwnServer) -> psycopg.Connection[tuple[object, ...]]:
    """A connection that is there, and for nothing else."""
    return psycopg.connect(host=str(server.folder), user="postgres", dbname="postgres", application_name="crowd")


@contextmanager
def small_disk(server: OwnServer) -> Iterator[Path]:
    """A file system of its own, where this machine lets us have one."""
    disk = server.folder / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", SIZE, "none", disk], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a small disk")
    try:
        place = disk / "tables"
        place.mkdir()
        if os.geteuid() == 0:
            subprocess.run(["chown", "postgres:postgres", place], check=True)
        yield place
    finally:
        server.stop()
        subprocess.run(["umount", "-l", disk], check=True)


def test_a_tablespace_that_is_full_is_waited_for(receiver: Receiver, tmp_path: Path) -> None:
    said = tmp_path / "said"
    with own_server() as server, small_disk(server) as place:
        server.execute(f"CREATE TABLESPACE small LOCATION '{place}'")
        made = project(server, receiver, "small", "TABLESPACE small")
        made.run(WRITE.format(count=20))
        with connection_to(server, made) as connection:
            connection.execute("CREATE TABLE ballast (bytes text)")
            with pytest.raises(psycopg.errors.DiskFull):
                while True:
                    connection.execute(
                        "INSERT INTO ballast SELECT repeat(md5(random()::text), 25) FROM generate_series(1, 100)"
                    )
        refused = made.run(MANY)
        assert "No space left on device" in refused[0]
        assert refused[1:] == [20, 20]
        with one_worker(made, said):
            assert eventually(lambda: "No space left on device" in said.read_text())
            subprocess.run(["mount", "-o", LARGER, place.parent], check=True)
            assert eventually(lambda: all_sent(server, made))
        assert len({one.id for one in receiver.deliveries}) == 20
