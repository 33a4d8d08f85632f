"""Changes by other processes are known within a second of their commit: after a fork, and from a pool, too."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from tests.chaos.processes import World, world

pytestmark = pytest.mark.slow

MAKE = (
    "from django.contrib.contenttypes.models import ContentType\n"
    "from heliostat.webhooks.models import Hook\nfrom tests.example.models import Vehicle\n"
    "Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target='https://receiver.example.com/')\n"
)
MAKE_SLOWLY = (
    "import time\nfrom django.db import transaction\n"
    "with transaction.atomic():\n    " + MAKE.replace("\n", "\n    ") + "time.sleep(2)\n"
)
SAVER = """
import django; django.setup()
from tests.example.models import Vehicle
import sys
for line in sys.stdin:
    Vehicle.objects.create(name=line)
    print("saved", flush=True)
"""
LONG_AND_SHORT = """
import django; django.setup()
from django.db import connection, transaction
from heliostat.webhooks.subscriptions import watch
import sys, threading, time
from tests.example.models import Vehicle
Vehicle.objects.create(name="1")
for line in sys.stdin:
    held = [thread.name for thread in threading.enumerate() if thread.name == "heliostat-hooks"]
    began = time.monotonic()
    longest = 0.0
    for _ in range(200):
        connection.close()  # as each request does: the next one takes a connection from the pool
        before = time.monotonic()
        Vehicle.objects.create(name="2")
        longest = max(longest, time.monotonic() - before)
    connection.close()
    time.sleep(1.0)
    print(len(held), longest < 1.0, flush=True)
"""


@contextmanager
def talking(made: World, *arguments: str) -> Iterator[Callable[[str], str]]:
    """A process that answers each line with a line."""
    process = made.start(*arguments, stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(line: str) -> str:
        print(line, file=process.stdin, flush=True)
        return process.stdout.readline().strip()

    try:
        yield ask
    finally:
        process.communicate(timeout=20)


def callbacks(made: World) -> int:
    return int(made.run("from heliostat.outbox.models import Callback\nanswer(Callback.objects.count())"))


def test_a_child_of_a_fork_knows_what_changed_since(using: str, tmp_path: Path) -> None:
    """Before its first event, and later."""
    with world(using, tmp_path) as made, talking(made, "-m", "tests.webhooks.forking") as ask:
        assert ask("1") == "saved"
        made.run(MAKE)
        time.sleep(1.0)
        assert ask("2") == "saved"
        assert callbacks(made) == 1
        made.run("from heliostat.webhooks.models import Hook\nHook.objects.all().delete()")
        time.sleep(1.0)
        assert ask("3") == "saved"
        assert callbacks(made) == 1


def test_a_child_of_a_fork_knows_at_its_first_event_what_changed_since(using: str, tmp_path: Path) -> None:
    with world(using, tmp_path) as made, talking(made, "-m", "tests.webhooks.forking") as ask:
        time.sleep(1.0)
        made.run(MAKE)
        assert ask("1") == "saved"
        assert callbacks(made) == 1


def test_a_hook_of_a_long_transaction_is_known_within_a_second_of_its_commit(using: str, tmp_path: Path) -> None:
    """Though another hook was made, and known, meanwhile."""
    with world(using, tmp_path) as made, talking(made, "-c", SAVER) as ask:
        assert ask("1") == "saved"
        slow = threading.Thread(target=made.run, args=(MAKE_SLOWLY,))
        slow.start()
        if using != "default":  # SQLite has one writer at a time
            time.sleep(1.5)
            made.run(MAKE)
            time.sleep(1.0)
        slow.join(30)
        time.sleep(1.0)
        assert ask("2") == "saved"
        assert callbacks(made) == (1 if using == "default" else 2)


@pytest.mark.skipif("postgresql" not in settings.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432")
def test_a_pool_of_one_connection_is_for_the_site(tmp_path: Path) -> None:
    pytest.importorskip("psycopg_pool")
    with world("postgresql", tmp_path) as made:
        made.environment["CHAOS_POOL"] = "1"
        with talking(made, "-c", LONG_AND_SHORT) as ask:
            assert ask("go") == "1 True", "it watches, and nobody waits for it"
            made.environment.pop("CHAOS_POOL")
            made.run(MAKE)
            time.sleep(1.0)
            assert ask("go") == "1 True"
        assert callbacks(made) == 200


def test_a_process_with_a_mailbox_in_memory_watches_too(using: str, tmp_path: Path) -> None:
    """No code of ours asks whether it runs in a test."""
    with (
        world(using, tmp_path) as made,
        talking(made, "-c", "from django.core import mail; mail.outbox = []" + SAVER) as ask,
    ):
        assert ask("1") == "saved"
        made.run(MAKE)
        time.sleep(1.0)
        assert ask("2") == "saved"
        assert callbacks(made) == 1


def test_a_process_that_begins_with_the_deletion_of_a_queryset_knows_who_subscribed(using: str, tmp_path: Path) -> None:
    with world(using, tmp_path) as made:
        made.run("from tests.example.models import Parcel\nParcel.objects.create(weight=1)")
        made.run(MAKE.replace("Vehicle", "Parcel"))
        made.run("from tests.example.models import Parcel\nParcel.objects.filter(weight=1).delete()")
        assert callbacks(made) == 1
