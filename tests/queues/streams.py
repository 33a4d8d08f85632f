"""Streams of the tests' own on real servers, and consumers of them as processes."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.cli.running import Running, running
from tests.queues.servers import missing, need_port, redis_binaries, redis_command
from tests.queues.servers import running as server_running

PATIENCE = 60.0  # seconds
LEASE = "1"  # seconds, so that the tests need not wait long for the entries of the dead

# What consumers call. Each call is a line in the file `calls`, written at once.
HANDLERS = """
import asyncio, os, signal, sys, time

def note(what, event):
    with open("calls", "a") as file:
        file.write(f"{what} {event['id']} {os.getpid()}\\n")

def quick(event):
    note("handled", event)

def slow(event):
    note("began", event)
    time.sleep(event["data"].get("seconds", 3))
    note("handled", event)

def failing(event):
    note("began", event)
    if event["data"].get("fails"):
        raise ValueError("no such mailbox")
    note("handled", event)

def killed(event):
    note("began", event)
    if event["data"].get("kills"):
        os.kill(os.getpid(), signal.SIGKILL)
    note("handled", event)

def hanging(event):
    note("began", event)
    if event["data"].get("hangs"):
        os.system("sleep 1000 & echo $! > grandchild")
        time.sleep(1000)
    note("handled", event)

def exiting(event):
    note("began", event)
    sys.exit("enough")

async def awaited(event):
    note("handled", event)

class Wordless(Exception):
    def __str__(self):
        raise RuntimeError

ODD = {
    "cancelled": asyncio.CancelledError(),
    "exit": SystemExit(1),
    "base": type("Base", (BaseException,), {})(),
    "half": ValueError("half \\ud800"),
    "wordless": Wordless(),
}

def oddly(event):
    if event["data"].get("raises"):
        raise ODD[event["data"]["raises"]]
    note("handled", event)

async def oddly_awaited(event):
    oddly(event)

def gives_a_coroutine(event):
    return awaited(event)

def generator(event):
    note("handled", event)
    yield

number = 7
"""


class Stream:
    """A stream with a name of its own, written as Heliostat writes it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = redis.Redis.from_url(url, protocol=2)
        self.name = f"test-{uuid.uuid4().hex}"
        self.dead_letters = f"{self.name}:dead:g"

    def add(self, count: int = 1, **data: Any) -> list[str]:
        """Add events, and return their ids."""
        ids = [f"{uuid.uuid4()}" for _ in range(count)]
        pipe = self.client.pipeline(transaction=False)
        for one in ids:
            pipe.xadd(self.name, {"event": json.dumps(event(one, **data))})
        pipe.execute()
        return ids

    def pending(self, group: str = "g") -> int:
        return int(self.client.xpending(self.name, group)["pending"])

    def consumers(self, group: str = "g") -> list[str]:
        return [one["name"].decode() for one in self.client.xinfo_consumers(self.name, group)]

    def dead(self) -> list[dict[str, str]]:
        found = self.client.xrange(self.dead_letters)
        return [{key.decode(): value.decode() for key, value in fields.items()} for _, fields in found]

    def remove(self) -> None:
        if keys := self.client.keys(f"*{self.name}*"):
            self.client.delete(*keys)
        self.client.close()


def event(id: str, **data: Any) -> dict[str, Any]:
    """An event of a target that was created, in CloudEvents' form."""
    return {
        "specversion": "1.0",
        "id": id,
        "type": "targets.target.created",
        "source": "/heliostat",
        "subject": "/targets/1/",
        "time": "2026-11-30T22:00:00.000000Z",
        "datacontenttype": "application/json",
        "data": {"object_type": "targets.target", "object_id": 1, "event_type": "created", **data},
    }


NEWER = [pytest.param(name, marks=pytest.mark.slow) for name in ("redis-8", "valkey-9")]


@pytest.fixture(scope="session", params=["redis-7", *NEWER])
def redis_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Redis 7 as it runs on this machine, and newer servers of the test's own."""
    if request.param == "redis-7":
        need_port(6379, "Redis")
        yield "redis://127.0.0.1:6379/0"
        return
    if request.param not in redis_binaries():
        missing(request.param)
    command = redis_command(redis_binaries()[request.param])
    with server_running(command, tmp_path_factory.mktemp(request.param)) as server:
        yield f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
def stream(redis_url: str) -> Iterator[Stream]:
    """On each server."""
    made = Stream(redis_url)
    yield made
    made.remove()


@pytest.fixture
def plain_stream() -> Iterator[Stream]:
    """On the server of this machine."""
    need_port(6379, "Redis")
    made = Stream("redis://127.0.0.1:6379/0")
    yield made
    made.remove()


class Consuming:
    """A folder with the functions that consumers call, and what they noted there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "handlers.py").write_text(HANDLERS)

    def start(self, stream: Stream, call: str, *options: str, group: str = "g") -> AbstractContextManager[Running]:
        """Start `heliostat consume` with a short lease."""
        where = (stream.url, "--stream", stream.name, "--group", group, "--lease", LEASE)
        return running("consume", *where, "--call", f"handlers.{call}", *options, cwd=self.folder)

    def run(self, stream: Stream, call: str, *options: str, group: str = "g") -> Running:
        """Consume all that is there, and return what the consumer was; it must exit with 0."""
        with self.start(stream, call, "--exit-when-idle", "0.5", *options, group=group) as process:
            assert process.process.wait(PATIENCE) == 0, process.output
            return process

    def calls(self) -> Iterator[tuple[str, str, str]]:
        """What was noted: what, the event's id, the process."""
        file = self.folder / "calls"
        for line in file.read_text().splitlines() if file.exists() else ():
            what, id, process = line.split()
            yield what, id, process

    def noted(self, what: str = "handled") -> Counter[str]:
        """How often each event has a note of this kind."""
        return Counter(id for one, id, _ in self.calls() if one == what)


@pytest.fixture
def consuming(tmp_path: Path) -> Consuming:
    return Consuming(tmp_path)


def until(is_so: Callable[[], Any], why: str | Callable[[], str] = "") -> Any:
    """Wait until something is so, and return what it is."""
    end = time.monotonic() + PATIENCE
    while not (found := is_so()):
        assert time.monotonic() < end, why() if callable(why) else why
        time.sleep(0.02)
    return found


__all__ = ["Consuming", "Stream", "consuming", "plain_stream", "redis_url", "stream", "until"]
