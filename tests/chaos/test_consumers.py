"""`make chaos`: consumers of a stream are killed, stopped and continued, and Redis is restarted: no event is lost.

CHAOS_EVENTS, CHAOS_CONSUMER_KILLS and CHAOS_SEED change what is tried; the seed is printed with the report.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.cli.running import environment
from tests.queues.servers import Server, missing, redis_binaries, redis_command, running
from tests.queues.streams import Stream, until

EVENTS = int(os.environ.get("CHAOS_EVENTS", "20000"))
KILLS = int(os.environ.get("CHAOS_CONSUMER_KILLS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", random.randrange(10**6)))
CONSUMERS, BATCH, LEASE = 3, 50, 3.0
RESTARTS = (0.3, 0.6)  # after these shares of the kills
LATEST = 300.0  # seconds for what is left when nobody is killed any more

# One event in a hundred fails the first time that a process gets it, and one in a hundred takes longer.
HANDLER = """
import os, time
notes = os.open("handled", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
seen = set()

def handle(event):
    number = event["data"]["number"]
    if number % 100 == 1 and number not in seen:
        seen.add(number)
        raise ValueError("not yet")
    time.sleep(0.2 if number % 100 == 2 else 0.001)
    os.write(notes, f"{event['id']}\\n".encode())
"""

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(900)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, which writes to the disk before it answers."""
    if "redis-7" not in redis_binaries():
        missing("redis-server")
    with running(redis_command(redis_binaries()["redis-7"]), tmp_path / "server") as started:
        yield started


class Crew:
    """Consumers that are started again whenever they are killed. A third of them runs handlers in a child process."""

    def __init__(self, stream: Stream, folder: Path) -> None:
        self.stream, self.folder = stream, folder
        (folder / "handlers.py").write_text(HANDLER)
        self.log = folder / "consumers.log"
        self.members = [self.start(number) for number in range(CONSUMERS)]

    def start(self, number: int, *options: str) -> subprocess.Popen[bytes]:
        where = (self.stream.url, "--stream", self.stream.name, "--group", "g", "--lease", str(LEASE))
        more = ["--call", "handlers.handle", "--batch", str(BATCH), "--max-deliveries", "100", *options]
        more += ["--handler-timeout", "30"] if number == 0 else []
        command = [sys.executable, "-m", "heliostat", "consume", *where, *more]
        with self.log.open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=log, stderr=log)

    def harm(self, pick: random.Random) -> str:
        """Kill one, or let one stand still for longer than a lease."""
        number = pick.randrange(CONSUMERS)
        one = self.members[number]
        assert one.poll() is None, self.log.read_text()[-3000:]
        if pick.random() < 0.1:
            one.send_signal(signal.SIGSTOP)
            time.sleep(LEASE + 1)
            one.send_signal(signal.SIGCONT)
            return "stopped and continued"
        one.kill()
        one.wait(10)
        self.members[number] = self.start(number)
        return "killed"

    def finish(self) -> list[int]:
        """Consume what is left, without harm. One that Python only begins to load would end by the signal."""
        names = [f"-{one.pid}-" for one in self.members]
        until(lambda: all(name in self.log.read_text() for name in names))
        for one in self.members:
            one.send_signal(signal.SIGTERM)
        codes = [one.wait(60) for one in self.members]
        self.members = [self.start(number, "--exit-when-idle", "2") for number in range(CONSUMERS)]
        return codes + [one.wait(LATEST) for one in self.members]

    def end(self) -> None:
        for one in self.members:
            if one.poll() is None:
                one.kill()
            one.wait(10)

    def handled(self) -> Counter[str]:
        file = self.folder / "handled"
        return Counter(file.read_text().splitlines() if file.exists() else ())


def answers(stream: Stream) -> bool:
    """Whether the server has read its file."""
    try:
        return bool(stream.client.ping())
    except redis.ConnectionError:
        return False


def test_no_event_is_lost_while_consumers_are_killed_and_redis_is_restarted(server: Server, tmp_path: Path) -> None:
    pick = random.Random(SEED)
    stream = Stream(f"redis://127.0.0.1:{server.port}/0")
    ids: list[str] = []
    share = EVENTS // KILLS + 1
    crew = Crew(stream, tmp_path)
    harms: Counter[str] = Counter()
    began = time.monotonic()
    try:
        time.sleep(1)
        for kill in range(KILLS):
            ids += [stream.add(number=number)[0] for number in range(len(ids), len(ids) + share)]
            harms[crew.harm(pick)] += 1
            if kill in [int(part * KILLS) for part in RESTARTS]:
                server.stop(signal.SIGKILL)
                time.sleep(1)
                server.start()
                until(lambda: answers(stream))
                harms["Redis killed"] += 1
            time.sleep(pick.random() * 0.5)
        codes = crew.finish()
    finally:
        crew.end()
    handled = crew.handled()
    repeats = sum(handled.values()) - len(handled)
    lost = set(ids) - set(handled)
    rows = {
        "seed": SEED,
        "events": len(ids),
        **harms,
        "handled": len(handled),
        "repeats": repeats,
        "lost": len(lost),
        "seconds": f"{time.monotonic() - began:.0f}",
    }
    print("\n\n" + "\n".join(f"  {name:<27}{value}" for name, value in rows.items()) + "\n")
    assert not lost
    assert set(handled) == set(ids)
    assert repeats <= sum(harms.values()) * BATCH, "more than what was handled and not yet acknowledged"
    assert codes == [0] * 2 * CONSUMERS, crew.log.read_text()[-3000:]
    assert stream.pending() == 0
    assert stream.dead() == []
    assert stream.consumers() == []
    assert "Traceback" not in crew.log.read_text()
