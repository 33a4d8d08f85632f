"""(k) Events consumed from a Redis stream, by CPU time of the consumer, beside FastStream and taskiq; and latency.

Each calls a function that does nothing, with events of 1 KiB, and acknowledges them. Latency is from the return of a
commit to the call, with the one who saves, the worker and the consumer in three processes.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.bench import ROOT, Bench, outcome
from benchmarks.environments import python_with
from benchmarks.figures import at_least, at_most, percentile
from benchmarks.queues import APPS

TITLE = "(k) consume a Redis stream: events of 1 KiB, to a function that does nothing"
EVENTS, PROBES, WARM = 20_000, 300, 20
GOAL, GOAL_LATENCY = 20_000, 5.0  # a second and core; ms
PAUSE = 0.02  # seconds between two probes
URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
PEERS = ("faststream[redis]==0.7.8", "taskiq-redis==1.2.4")


def measure(bench: Bench) -> None:
    import redis

    client, stream = redis.Redis.from_url(URL), f"bench-{secrets.token_hex(4)}"
    try:
        client.ping()
    except redis.RedisError as error:
        print(f"(k) is left out: {error}", file=sys.stderr)
        return
    on = "PostgreSQL" if "PostgreSQL" in bench.databases else next(iter(bench.databases))
    try:
        for timeout in (0, 60):
            cpu = bench.child(
                "benchmarks.consuming:consume", f"{stream}-{timeout}", bench.amount(EVENTS), timeout, on=on
            )
            bench.figures.add(f"consume {timeout}", cpu)
        if python := python_with("peers-of-queues", PEERS):
            for who in ("faststream", "taskiq"):
                bench.figures.add(f"consume {who}", _peer(python, who, f"{stream}-{who}", bench.amount(EVENTS)))
        waits = _latency(bench, stream, on)
        for percent in (50, 99):
            bench.figures.add(f"consume p{percent}", percentile(waits, percent))
    finally:
        for key in client.keys(f"{stream}*"):
            client.delete(key)


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    if "consume 0" not in figures:
        yield "  left out"
        return
    names = {
        "0": "heliostat consume",
        "60": "... with --handler-timeout, both processes",
        "faststream": "FastStream",
        "taskiq": "taskiq",
    }
    for key, name in names.items():
        if f"consume {key}" in figures:
            core = 1e6 / figures.median(f"consume {key}")
            yield f"  {name:<44} each {figures.text(f'consume {key}', 'µs', 1):<28} a second and core {core:,.0f}"
    p50, p99 = (figures.text(f"consume p{percent}", "ms", 2) for percent in (50, 99))
    yield f"  from commit to consumer: p50 {p50}, p99 {p99}"
    yield at_least("heliostat consume, a second and core", 1e6 / figures.median("consume 0"), GOAL, "")
    yield at_most("from commit to consumer, p50", figures.median("consume p50"), GOAL_LATENCY, "ms", 2)


def consume(stream: str, count: int, timeout: float) -> float:
    """CPU microseconds for each event, of this process and of the child that runs the function, if any."""
    import redis

    from heliostat.queues import Consumer

    body = {"specversion": "1.0", "type": "bench.vehicle.created", "source": "/heliostat", "data": {"plan": "x" * 880}}
    client = redis.Redis.from_url(URL)
    pipe = client.pipeline(transaction=False)
    for number in range(count):
        pipe.xadd(stream, {"event": json.dumps({**body, "id": str(number)})})
        if len(pipe) == 500:
            pipe.execute()
    pipe.execute()
    consumer = Consumer(
        URL,
        stream=stream,
        group="bench",
        call="benchmarks.consuming.noop",
        exit_when_idle=0,
        handler_timeout=timeout or None,
    )
    began = sum(os.times()[:4])
    counts = consumer.run()
    assert counts.handled == count, counts
    return (sum(os.times()[:4]) - began) / count * 1e6


def noop(event: dict[str, Any]) -> None:
    """Do nothing."""


def _peer(python: str, who: str, stream: str, count: int) -> float:
    command = [python, "-m", "benchmarks.peers.consuming", who, URL, stream, str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=300, cwd=ROOT)
    return float(done.stdout.splitlines()[-1])


def _latency(bench: Bench, stream: str, on: str) -> list[float]:
    """Milliseconds from the return of a commit to the call of the function."""
    section = {"use": "heliostat.queues.redis", "url": URL, "stream": stream, "resources": ["vehicle"]}
    more: dict[str, Any] = {"on": on, "apps": APPS, "BENCH_LISTENERS": json.dumps({"bench": section})}
    probes = bench.amount(PROBES) + WARM
    bench.child("benchmarks.consuming:prepare", **more)
    worker = bench.start("benchmarks.latency:work", **more)
    try:
        consumer = bench.start("benchmarks.consuming:arrivals", stream, probes, on=on)
        committed = bench.child("benchmarks.consuming:save", probes, **more)
        arrived = outcome(consumer)
    finally:
        outcome(worker)
    return [(arrived[key] - at) * 1000 for key, at in list(committed.items())[WARM:]]


def prepare() -> None:
    """Empty the tables."""
    from benchmarks.work import clean

    clean()


def arrivals(stream: str, count: int) -> dict[str, float]:
    """When the function was called with each object."""
    from heliostat.queues import Consumer

    arrived: dict[str, float] = {}

    def note(event: dict[str, Any]) -> None:
        arrived[str(event["data"]["object_id"])] = time.monotonic()
        if len(arrived) == count:
            consumer.stop()

    consumer = Consumer(URL, stream=stream, group="bench", call=note)
    consumer.run()
    return arrived


def save(count: int) -> dict[str, float]:
    """When the commit of each save returned, by the object's key."""
    from benchmarks.models import save_one

    committed: dict[str, float] = {}
    began = time.monotonic() + 1.0  # the worker and the consumer are starting
    for index in range(count):
        time.sleep(max(0.0, began + index * PAUSE - time.monotonic()))
        vehicle = save_one(index)
        committed[str(vehicle.pk)] = time.monotonic()
    return committed
