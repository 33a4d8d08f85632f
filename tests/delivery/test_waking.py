"""A commit in one process wakes the worker in another, at once."""

from __future__ import annotations

import os
import select
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connections

from heliostat.delivery.send_now import send_now
from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.models import Callback
from heliostat.outbox.waking import NamedPipe, folder_of, wake_processes
from heliostat.testing import Answer, Receiver
from tests.chaos.processes import world
from tests.delivery.working import hook_to, vehicles

HOOK = """
from django.contrib.contenttypes.models import ContentType
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle
Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target={url!r})
"""
SAVE = """
import time
from tests.example.models import Vehicle
Vehicle.objects.create(name="warm")
time.sleep(1.5)
Vehicle.objects.create(name="55")
answer(time.monotonic())
"""


@pytest.mark.slow
def test_a_worker_in_another_process_is_notified_of_a_commit_at_once(using: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CHAOS_POLL", "30")  # only a wake-up can be this quick
    with Receiver() as receiver, world(using, tmp_path) as made:
        made.run(HOOK.format(url=receiver.url))
        worker = made.worker()
        try:
            committed = made.run(SAVE)
            assert receiver.wait_for(2)[1].seen_at - committed < 1.0
        finally:
            worker.terminate()
            worker.communicate(timeout=20)


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "db.sqlite3")


def is_woken(pipe: NamedPipe, seconds: float) -> bool:
    woken = bool(select.select([pipe.reader], [], [], seconds)[0])
    if woken:
        os.read(pipe.reader, 65536)
    return woken


def test_every_process_with_a_named_pipe_is_woken(database: str) -> None:
    one, two = NamedPipe(database), NamedPipe(database)
    wake_processes(database)
    assert is_woken(one, 1)
    assert is_woken(two, 1)
    assert not is_woken(one, 0.01)
    one.close()
    two.close()
    assert not folder_of(database).exists()


def test_wake_ups_that_come_together_count_as_one_and_never_wait(database: str) -> None:
    pipe = NamedPipe(database)
    began = time.monotonic()
    for _ in range(5000):
        wake_processes(database)
    assert time.monotonic() - began < 5
    assert is_woken(pipe, 1)
    assert not is_woken(pipe, 0.01)
    pipe.close()


def test_the_pipe_of_a_worker_that_was_killed_is_removed(database: str) -> None:
    folder_of(database).mkdir(mode=0o700)
    os.mkfifo(folder_of(database) / "12345-abcdef12")  # and nobody has it open
    wake_processes(database)
    assert os.listdir(folder_of(database)) == []
    NamedPipe(database).close()
    assert not folder_of(database).exists()


def test_a_long_temporary_folder_is_no_hindrance(database: str, tmp_path: Path, monkeypatch) -> None:
    """A socket's path ends at 108 characters: the folder was left behind, and nobody heard."""
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    pipe = NamedPipe(database)
    wake_processes(database)
    assert is_woken(pipe, 1)
    pipe.close()
    assert list(long.iterdir()) == []


def test_workers_that_come_and_go_together_all_have_a_pipe(database: str) -> None:
    """One takes the folder away as the last while another is about to use it."""

    def come_and_go(_: int) -> None:
        for _ in range(200):
            NamedPipe(database).close()

    with ThreadPoolExecutor(4) as workers:
        list(workers.map(come_and_go, range(4)))
    assert not folder_of(database).exists()


def test_a_folder_that_is_open_to_others_is_not_used(database: str) -> None:
    folder_of(database).mkdir(mode=0o755)
    with pytest.raises(OSError, match="somebody else"):
        NamedPipe(database)
    wake_processes(database)


def test_waking_where_no_worker_ever_listened_does_nothing(database: str) -> None:
    wake_processes(database)
    assert not folder_of(database).exists()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_who_sends_a_few_here_keeps_no_commit_from_the_workers_elsewhere(receiver: Receiver) -> None:
    if "mariadb" not in connections.databases:
        pytest.skip("no MariaDB at 127.0.0.1:3306")
    receiver.answers = [Answer(delay=1.0)]
    hook_to(receiver)
    vehicles(1, "mariadb")
    pipe = NamedPipe(dialect_for("mariadb").named_pipes(connections["mariadb"]) or "")  # of a worker in another process

    def send() -> None:
        send_now(list(Callback.objects.using("mariadb").values_list("pk", flat=True)), "mariadb")
        connections.close_all()

    thread = threading.Thread(target=send)
    thread.start()
    try:
        receiver.wait_for(1)
        is_woken(pipe, 0.01)
        vehicles(1, "mariadb")
        assert is_woken(pipe, 1)
    finally:
        thread.join(10)
        pipe.close()
