"""`make chaos`: thousands of events while the servers of queues are killed, restarted and cut off.

CHAOS_EVENTS and CHAOS_CUTS change what is tried.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from heliostat.outbox.models import Attempt, Callback
from heliostat.outbox.models import Event as EventRow
from tests.delivery.working import working
from tests.example.models import Vehicle
from tests.queues.destinations import Destination, KafkaTopic, NatsSubject, RabbitExchange, RedisStream
from tests.queues.servers import (
    Server,
    kafka_command,
    nats_command,
    need_port,
    proxy_to,
    redis_binaries,
    redis_command,
    running,
)

EVENTS = int(os.environ.get("CHAOS_EVENTS", "20000"))
CUTS = int(os.environ.get("CHAOS_CUTS", "30"))
OBJECTS = 500
AWAY = 0.3  # seconds, in which a server is away
PATIENCE = 600.0

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(1200), pytest.mark.django_db(transaction=True)]

Harm = Callable[[], None]


@pytest.fixture
def impatient(settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0.1
    settings.HELIOSTAT_RETRY_LONGEST = 1.0
    settings.HELIOSTAT_BREAKER_FIRST = 0.2
    settings.HELIOSTAT_BREAKER_LONGEST = 1.0
    settings.HELIOSTAT_CONNECT_TIMEOUT = 2.0
    settings.HELIOSTAT_REQUEST_TIMEOUT = 3.0
    settings.HELIOSTAT_MAX_ATTEMPTS = 10_000


@contextmanager
def redis(folder: Path) -> Iterator[tuple[Destination, int | None, Harm]]:
    binary = redis_binaries().get("redis-7")
    if not binary:
        pytest.skip("no redis-server here")
    with running(redis_command(binary), folder) as server:
        destination = RedisStream(server.port)
        yield destination, None, lambda: restart(server, signal.SIGKILL)


@contextmanager
def nats(folder: Path) -> Iterator[tuple[Destination, int | None, Harm]]:
    with running(nats_command, folder) as server:
        yield NatsSubject(server.port), None, lambda: restart(server, signal.SIGTERM)


@contextmanager
def rabbitmq(folder: Path) -> Iterator[tuple[Destination, int | None, Harm]]:
    need_port(5672, "RabbitMQ")
    destination = RabbitExchange(5672)
    destination.prepare()
    with proxy_to(5672) as proxy:
        yield destination, proxy.port, lambda: cut(proxy)
    destination.close()


@contextmanager
def kafka(folder: Path) -> Iterator[tuple[Destination, int | None, Harm]]:
    with proxy_to(0) as proxy, running(kafka_command(proxy.port), folder) as server:
        proxy.target = server.port
        yield KafkaTopic(proxy.port), None, lambda: cut(proxy)


def restart(server: Server, how: int) -> None:
    server.stop(how)
    time.sleep(AWAY)
    server.start()


def cut(proxy: Any) -> None:
    proxy.cut()
    time.sleep(AWAY)
    proxy.mend()


@pytest.mark.parametrize("server", [redis, nats, rabbitmq, kafka], ids=["redis", "nats", "rabbitmq", "kafka"])
def test_no_event_is_lost_and_order_is_kept_while_the_server_comes_and_goes(
    server: Any, tmp_path: Path, settings: Any, impatient: None
) -> None:
    began = time.monotonic()
    with server(tmp_path / "server") as (destination, through, harm):
        section = {**destination.section(through), "resources": ["vehicle"], "ordered": True}
        settings.EVENT_LISTENERS = {"stream": section}
        harmed = 0
        with working():
            writer = threading.Thread(target=write)
            writer.start()
            while (writer.is_alive() or unfinished()) and time.monotonic() - began < PATIENCE:
                time.sleep(1.0)
                if harmed < CUTS:
                    harm()
                    harmed += 1
            writer.join()
        assert unfinished() == 0, f"{unfinished()} callbacks were not published within {PATIENCE:g} s"
        found = destination.events()
    ids = {str(pk) for pk in EventRow.objects.values_list("pk", flat=True)}
    first: dict[str, dict[str, Any]] = {}
    for event in found:
        first.setdefault(event["id"], event)
    print(
        f"\n\n  {destination.use}: {len(ids)} events, server away {harmed} times, "
        f"{Attempt.objects.exclude(outcome='sent').count()} attempts failed, "
        f"{len(found) - len(first)} repeats, {len(ids - first.keys())} lost, {time.monotonic() - began:.0f} s"
    )
    for error, count in Counter(Attempt.objects.exclude(outcome="sent").values_list("error", flat=True)).items():
        print(f"    {count:>6} {error}")
    assert harmed, "the server was never away"
    assert first.keys() == ids
    seats: dict[str, list[int]] = {}
    for event in first.values():
        seats.setdefault(event["subject"], []).append(event["data"]["object_serialization"]["seats"])
    assert all(of_one == sorted(of_one) for of_one in seats.values()), "out of order"
    assert len(seats) == OBJECTS


def write() -> None:
    """Create objects, then change all of them again and again; some changes are undone."""
    with transaction.atomic():
        made = [Vehicle.objects.create(name="bus") for _ in range(OBJECTS)]
    for number in range(1, EVENTS // OBJECTS):
        for start in range(0, OBJECTS, 50):
            with transaction.atomic():
                for vehicle in made[start : start + 50]:
                    vehicle.seats = number
                    vehicle.save()
            with suppress(ZeroDivisionError), transaction.atomic():
                Vehicle.objects.create(name="ghost")
                raise ZeroDivisionError
    connections.close_all()


def unfinished() -> int:
    return Callback.objects.exclude(status="sent").count()
