"""Workers at work, each on a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction

from heliostat.delivery.worker import Worker
from heliostat.testing import Receiver
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

PATIENCE = 30.0


@contextmanager
def working(using: str = "default", workers: int = 1) -> Iterator[list[Worker]]:
    """So many workers."""
    with ExitStack() as stack:
        yield [stack.enter_context(_one(using)) for _ in range(workers)]


@contextmanager
def _one(using: str) -> Iterator[Worker]:
    worker = Worker(using)

    def run() -> None:
        try:
            worker.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


def hook_to(receiver: Receiver, **options: Any) -> Hook:
    return Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url, **options)


def vehicles(count: int, using: str = "default") -> None:
    """So many events, committed at once."""
    with transaction.atomic(using=using):
        for index in range(count):
            Vehicle.objects.using(using).create(name=str(index))


def eventually(condition: Callable[[], object]) -> bool:
    """Whether it comes true while a loaded machine may take its time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
