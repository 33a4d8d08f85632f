"""docs/consuming.md: each consumer without Heliostat handles, retries and takes over; each bridge forwards."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path

import pytest

from heliostat.cli import consume
from tests.cli.running import Running, environment, running
from tests.docs.programs import needs
from tests.queues.streams import Stream, plain_stream, until

pytestmark = pytest.mark.slow

__all__ = ["plain_stream"]

BLOCK = re.compile(r"^```\w+\n(?:#|//) (\S+)\n(.*?)^```", flags=re.MULTILINE | re.DOTALL)
DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "consuming.md").read_text()
PROGRAMS = dict(BLOCK.findall(DOCUMENT))
IDLE = "500"  # ms

# What each handler does besides printing: fail for an event that says so.
FAILING = {
    "consume.py": (
        "def handle(event):\n",
        "def handle(event):\n    assert not event['data'].get('fails'), 'no such box'\n",
    ),
    "consume.mjs": (
        "async function handle(event) {\n",
        "async function handle(event) {\n  if (event.data.fails) throw new Error('no such box');\n",
    ),
}
HANDLE = """#!/bin/sh
event=$(cat)
case "$event" in *'"fails"'*) exit 7;; esac
printf '%s\\n' "$event" | sed 's/.*"id": "\\([^"]*\\)".*/\\1/'
"""


@pytest.fixture(scope="session")
def npm_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ioredis, from npm."""
    needs("node", "npm")
    folder = tmp_path_factory.mktemp("npm")
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", folder, "ioredis@5"],
        check=False, capture_output=True, text=True, timeout=110,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"npm has no ioredis for us: {done.stderr[-300:]}")
    return folder / "node_modules"


@pytest.fixture(params=["consume.py", "consume.mjs", "consume.sh"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """A consumer of the document, in a folder of its own."""
    name = request.param
    (tmp_path / name).write_text(PROGRAMS[name].replace(*FAILING.get(name, ("", ""))))
    if name == "consume.py":
        return [sys.executable, name]
    if name == "consume.mjs":
        (tmp_path / "node_modules").symlink_to(request.getfixturevalue("npm_modules"))
        return ["node", name]
    needs("redis-cli")
    (tmp_path / "handle").write_text(HANDLE)
    (tmp_path / "handle").chmod(0o755)
    return ["sh", name]


@contextmanager
def started(command: list[str], stream: Stream, folder: Path, **more: str) -> Iterator[Running]:
    """A program as a process, with the stream in its environment."""
    names = {"REDIS_URL": stream.url, "STREAM": stream.name, "GROUP": "g", "IDLE": IDLE, **more}
    log = folder / f"log-{time.monotonic_ns()}"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment(names), stdout=output, stderr=output)
    try:
        yield Running(process, log)
    finally:
        process.kill()
        process.wait(10)


def test_it_handles_what_is_there_and_what_comes_and_ends_on_sigterm(
    command: list[str], plain_stream: Stream, tmp_path: Path
) -> None:
    ids = plain_stream.add(3)
    with started(command, plain_stream, tmp_path) as consumer:
        until(lambda: all(id in consumer.output for id in ids), lambda: consumer.output)
        (later,) = plain_stream.add()
        until(lambda: later in consumer.output, lambda: consumer.output)
        until(lambda: plain_stream.pending() == 0, lambda: consumer.output)
        assert consumer.stop() == 0
    assert [consumer.output.count(id) for id in [*ids, later]] == [1] * 4


def test_it_takes_over_from_a_consumer_that_died(command: list[str], plain_stream: Stream, tmp_path: Path) -> None:
    plain_stream.client.xgroup_create(plain_stream.name, "g", "0", mkstream=True)
    ids = plain_stream.add(3)
    plain_stream.client.xreadgroup("g", "dead", {plain_stream.name: ">"})
    with started(command, plain_stream, tmp_path) as consumer:
        until(lambda: all(id in consumer.output for id in ids), lambda: consumer.output)
        until(lambda: plain_stream.pending() == 0, lambda: consumer.output)


def test_it_retries_and_keeps_what_fails_five_times_in_the_form_of_heliostat(
    command: list[str], plain_stream: Stream, tmp_path: Path
) -> None:
    (failing,), (good,) = plain_stream.add(fails=True), plain_stream.add()
    with started(command, plain_stream, tmp_path) as consumer:
        until(lambda: good in consumer.output, lambda: consumer.output)
        until(plain_stream.dead, lambda: consumer.output)
        until(lambda: plain_stream.pending() == 0, lambda: consumer.output)
    (dead,) = plain_stream.dead()
    assert json.loads(dead["event"])["id"] == failing
    assert dead["deliveries"] == "5"
    assert dead["reason"]
    assert dead["entry"] == plain_stream.client.xrange(plain_stream.name)[0][0].decode()


def test_the_unit_of_systemd_calls_the_command_as_it_is_and_gives_it_time_to_stop() -> None:
    (text,) = re.findall(r"^```ini\n(\[Unit\].*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    unit = ConfigParser(interpolation=None)
    unit.read_string(text)
    _, command, *arguments = unit["Service"]["ExecStart"].split()
    parser = argparse.ArgumentParser()
    consume.add_options(parser)
    options = parser.parse_args(arguments)
    assert command == "consume"
    assert options.handler_timeout < float(unit["Service"]["TimeoutStopSec"])


def test_celery_gets_each_event_as_a_task(plain_stream: Stream, tmp_path: Path) -> None:
    (tmp_path / "with_celery.py").write_text(PROGRAMS["with_celery.py"])
    names = {"REDIS_URL": plain_stream.url, "QUEUE": f"{plain_stream.name}-celery"}
    worker = [sys.executable, "-m", "celery", "-A", "with_celery", "worker", "--pool", "solo"]
    check_forwarding("with_celery", worker, names, plain_stream, tmp_path)


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> str:
    """FastStream and taskiq, which are no dependencies of ours, in a folder."""
    folder = tmp_path_factory.mktemp("others")
    wanted = ["faststream[redis,cli]==0.7.8", "taskiq-redis==1.2.4"]
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", folder, *wanted]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=110)
    if done.returncode:
        pytest.skip(f"they cannot be installed: {done.stderr[-300:]}")
    return str(folder)


@pytest.mark.slow
def test_taskiq_gets_each_event_as_a_task(plain_stream: Stream, tmp_path: Path, others: str) -> None:
    (tmp_path / "with_taskiq.py").write_text(PROGRAMS["with_taskiq.py"])
    names = {"REDIS_URL": plain_stream.url, "QUEUE": f"{plain_stream.name}-taskiq", "PYTHONPATH": path_with(others)}
    worker = [sys.executable, "-m", "taskiq", "worker", "--workers", "1", "with_taskiq:broker"]
    check_forwarding("with_taskiq", worker, names, plain_stream, tmp_path)


@pytest.mark.slow
def test_faststream_reads_the_stream_itself(plain_stream: Stream, tmp_path: Path, others: str) -> None:
    (tmp_path / "with_faststream.py").write_text(PROGRAMS["with_faststream.py"])
    command = [sys.executable, "-m", "faststream", "run", "with_faststream:app"]
    with started(command, plain_stream, tmp_path, PYTHONPATH=path_with(others)) as worker:
        until(lambda: plain_stream.client.exists(plain_stream.name), lambda: worker.output)
        until(lambda: plain_stream.client.xinfo_groups(plain_stream.name), lambda: worker.output)
        ids = plain_stream.add(3)
        until(lambda: all(f"{id} targets.target.created" in worker.output for id in ids), lambda: worker.output)


def check_forwarding(module: str, worker: list[str], names: dict[str, str], stream: Stream, folder: Path) -> None:
    ids = stream.add(3)
    where = (stream.url, "--stream", stream.name, "--group", module, "--call", f"{module}.forward")
    with running("consume", *where, "--exit-when-idle", "0", cwd=folder, env=names) as consumer:
        assert consumer.process.wait(60) == 0, consumer.output
    with started(worker, stream, folder, **names) as process:
        until(lambda: all(id in process.output for id in ids), lambda: process.output)
        process.process.send_signal(signal.SIGTERM)


def path_with(folder: str) -> str:
    return os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
