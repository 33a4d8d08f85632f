"""The options of `worker`: how much at once, and a file for who watches it."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError
from django.db import OperationalError, connections

from heliostat.conf import conf
from heliostat.delivery.heartbeat import Heartbeat
from heliostat.delivery.worker import Worker
from heliostat.testing import Answer, Receiver
from heliostat.webhooks.models import Hook
from tests.delivery.commands import run
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_no_more_requests_are_in_flight_than_the_command_line_allows(receiver: Receiver) -> None:
    receiver.answers = [Answer(delay=0.3)] * 4
    Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url)
    for index in range(4):
        Vehicle.objects.create(name=str(index))
    began = time.monotonic()
    assert "4 sent" in run("worker", "--batch", "--concurrency", 1).out
    assert time.monotonic() - began > 1.2, "one after the other"
    assert conf.concurrency == 200, "what the command line says ends with the command"


@pytest.mark.parametrize("number", ["0", "-3", "many"])
def test_a_concurrency_that_makes_no_sense_is_refused(number: str) -> None:
    with pytest.raises(CommandError):
        run("worker", "--batch", "--concurrency", number)


def test_the_health_file_is_touched_while_the_worker_is_well_and_removed_at_the_end(
    using: str, tmp_path: Path, settings: Any
) -> None:
    settings.HELIOSTAT_LEASE = 1.0  # makes it speak four times a second
    file = tmp_path / "health"
    worker = Worker(using, health_file=file)

    def work() -> None:
        worker.run()
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert appears(file)
        os.utime(file, (0, 0))
        deadline = time.monotonic() + 5
        while file.stat().st_mtime == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert file.stat().st_mtime > time.time() - 5
    finally:
        worker.stop()
        thread.join(20)
    assert not file.exists()


def appears(file: Path) -> bool:
    deadline = time.monotonic() + 5
    while not file.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return file.exists()


def test_a_worker_whose_database_is_away_is_not_well(tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "health"
    heartbeat = Heartbeat("default", file)

    def away(**_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(heartbeat._rows, "filter", away)
    with pytest.raises(OperationalError):
        heartbeat.beat()
    assert not file.exists()


def test_a_health_file_that_cannot_be_touched_any_more_does_not_end_the_worker(tmp_path: Path, caplog: Any) -> None:
    heartbeat = Heartbeat("default", tmp_path / "gone" / "health")
    heartbeat.beat()
    heartbeat.end()
    assert "cannot be touched" in caplog.text


def test_a_health_file_where_none_can_be_is_refused_at_once(tmp_path: Path) -> None:
    for path in (tmp_path / "missing" / "health", tmp_path):
        with pytest.raises(CommandError, match="cannot be written"):
            run("worker", "--batch", "--health-file", path)


def test_a_host_that_can_be_none_is_refused_at_once() -> None:
    with pytest.raises(CommandError, match="is no host"):
        run("worker", "--batch", "--health-port", "0", "--health-host", "a..b")


def test_a_batch_leaves_no_health_file_behind(tmp_path: Path) -> None:
    assert run("worker", "--batch", "--health-file", tmp_path / "health").code == 0
    assert list(tmp_path.iterdir()) == []
