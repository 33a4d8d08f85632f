"""The asyncio deliverer: nobody waits, all is sent from a loop of its own, and nothing is lost with the process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections

from heliostat.outbox.models import Callback
from heliostat.testing import Answer, Receiver, drain_outbox
from tests.delivery.working import hook_to
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True)
on_all_databases = pytest.mark.django_db(transaction=True, databases="__all__")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def by_asyncio(settings: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = "heliostat.webhooks.deliverers.deliver_hooks_using_asyncio"


def wait_until_sent(using: str = "default") -> list[str]:
    states: list[str] = []
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        states = list(Callback.objects.using(using).values_list("status", flat=True))
        if set(states) == {"sent"}:
            break
        time.sleep(0.05)
    return states


def test_the_change_returns_before_a_slow_receiver_has_answered(receiver: Receiver) -> None:
    receiver.answers = [Answer(delay=2)]
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    receiver.wait_for(1, timeout=30)
    assert Callback.objects.get().status == "sending"
    assert wait_until_sent() == ["sent"]


@on_all_databases
def test_what_many_threads_commit_is_published_once_each(using: str, receiver: Receiver) -> None:
    hook_to(receiver)

    def save(name: str) -> None:
        for number in range(5):
            Vehicle.objects.using(using).create(name=f"{name}-{number}")
        connections.close_all()

    threads = [threading.Thread(target=save, args=[name]) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    receiver.wait_for(20, timeout=30)
    assert wait_until_sent(using) == ["sent"] * 20
    assert {delivery.times_seen for delivery in receiver.deliveries} == {1}


def test_it_may_be_used_from_a_running_loop(receiver: Receiver) -> None:
    hook_to(receiver)

    async def view() -> None:
        await Vehicle.objects.acreate(name="55")

    thread = threading.Thread(target=lambda: asyncio.run(view()))
    thread.start()
    thread.join(30)
    receiver.wait_for(1, timeout=30)
    assert wait_until_sent() == ["sent"]


def test_what_a_process_had_not_begun_when_it_ended_is_left_to_a_worker(receiver: Receiver) -> None:
    hook_to(receiver)
    code = (
        "import django; django.setup()\n"
        "from tests.example.models import Vehicle\n"
        "for number in range(10): Vehicle.objects.create(name=str(number))\n"
    )
    environment = {
        **os.environ,
        "HELIOSTAT_TEST_DATABASE": str(connection.settings_dict["NAME"]),
        "HELIOSTAT_TEST_DELIVERER": "deliver_hooks_using_asyncio",
        "DJANGO_SETTINGS_MODULE": "tests.webhooks.beside_settings",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert Callback.objects.filter(status="sending").count() == 0, "what was begun is finished"
    drain_outbox()
    assert wait_until_sent() == ["sent"] * 10
    assert {delivery.times_seen for delivery in receiver.deliveries} == {1}
