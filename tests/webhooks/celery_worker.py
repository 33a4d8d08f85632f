"""Celery as a project would set it up: the app of the tests' own process, and of a real worker beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from celery import Celery
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
BROKER, QUEUE, DATABASE = "HELIOSTAT_TEST_BROKER", "HELIOSTAT_TEST_QUEUE", "HELIOSTAT_TEST_DATABASE"


def made(broker: str, queue: str) -> Celery:
    """A Celery app that is the current one, with the tasks of all installed apps."""
    made = Celery("tests", broker=broker)
    made.conf.update(task_default_queue=queue, worker_hijack_root_logger=False)
    made.set_default()
    made.autodiscover_tasks(["heliostat.webhooks"])
    return made


if BROKER in os.environ:
    app = made(os.environ[BROKER], os.environ[QUEUE])


class Project:
    """A queue of its own at a broker, and workers on it that use the database of the tests."""

    def __init__(self, broker: str) -> None:
        self.queue = f"heliostat-test-{uuid.uuid4().hex[:8]}"
        self.app = made(broker, self.queue)
        self.environment = {
            **os.environ,
            BROKER: broker,
            QUEUE: self.queue,
            DATABASE: str(connection.settings_dict["NAME"]),
            "DJANGO_SETTINGS_MODULE": "tests.webhooks.beside_settings",
            "PYTHONPATH": str(ROOT),
        }

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A real Celery worker: one process, so that a kill -9 leaves nothing of it."""
        options = ("--pool", "solo", "--without-mingle", "--without-gossip", "--without-heartbeat", "-l", "WARNING")
        name = ("-n", f"heliostat-{os.getpid()}@%h")  # RabbitMQ lets in no second worker of the same name
        command = [sys.executable, "-m", "celery", "-A", "tests.webhooks.celery_worker", "worker", *name, *options]
        process = subprocess.Popen(command, env=self.environment, cwd=ROOT)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def delete_queue(self) -> None:
        with self.app.connection() as opened:
            self.app.amqp.queues[self.queue](opened.default_channel).delete()
