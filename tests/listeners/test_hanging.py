"""A durable listener that hangs does not hold all threads of its worker, and the log says so; all else goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from heliostat.delivery import python
from heliostat.delivery.worker import Worker
from heliostat.outbox.models import Callback, Status
from tests.example.models import Depot

pytestmark = pytest.mark.django_db(transaction=True)
let_go = threading.Event()
worked = threading.Event()


def hang(_event: Any) -> None:
    let_go.wait(60)


def work(_event: Any) -> None:
    worked.set()


@pytest.fixture
def worker() -> Iterator[Worker]:
    let_go.clear()
    worked.clear()
    found = Worker()
    thread = threading.Thread(target=found.run)
    thread.start()
    yield found
    let_go.set()
    found.stop()
    thread.join(60)


@pytest.mark.slow
def test_the_other_listeners_get_their_events(settings: Any, monkeypatch: Any, caplog: Any, worker: Worker) -> None:
    monkeypatch.setattr(python, "LONG", 0.0)
    common = {"resources": "depot", "when": "durable"}
    settings.EVENT_LISTENERS = {
        "a": {"use": f"{__name__}.hang", **common},
        "b": {"use": f"{__name__}.work", **common},
    }
    for number in range(8):  # more than the worker has threads
        Depot.objects.create(name=str(number))
    worker.wake()
    assert worked.wait(30)
    warned = threading.Event()
    for _ in range(100):
        if "listener:a has been running for" in caplog.text:
            break
        warned.wait(0.3)
    assert "listener:a has been running for" in caplog.text
    let_go.set()
    for _ in range(100):
        if not Callback.objects.exclude(status=Status.SENT).exists():
            break
        warned.wait(0.3)
    assert not Callback.objects.exclude(status=Status.SENT).exists()
