"""Destinations on real servers, and a worker's patience that no test waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.queues.destinations import (
    Destination,
    KafkaTopic,
    NatsSubject,
    RabbitExchange,
    RedisList,
    RedisStream,
)
from tests.queues.servers import Proxy, kafka_command, need_port, proxy_to, running

PORTS = {"redis": 6379, "rabbitmq": 5672, "nats": 4222}
MADE: dict[str, tuple[str, Callable[[int], Destination]]] = {
    "redis": ("redis", RedisStream),
    "redis-resp3": ("redis", lambda port: RedisStream(port, protocol=3)),
    "redis-list": ("redis", RedisList),
    "rabbitmq": ("rabbitmq", RabbitExchange),
    "nats": ("nats", NatsSubject),
    "kafka": ("kafka", KafkaTopic),
}


@pytest.fixture(scope="session")
def kafka_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A broker of the tests' own: no machine runs one."""
    with running(kafka_command(), tmp_path_factory.mktemp("kafka")) as server:
        yield server.port


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.slow) if name == "kafka" else name for name in MADE])
def destination(request: pytest.FixtureRequest) -> Iterator[Destination]:
    """The test runs with each destination."""
    server, make = MADE[request.param]
    if server == "kafka":
        port = request.getfixturevalue("kafka_port")
    else:
        need_port(port := PORTS[server], server)
    made = make(port)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def proxy(destination: Destination, tmp_path: Any) -> Iterator[Proxy]:
    """A proxy before the server of the destination. A Kafka broker names the proxy's port to its clients."""
    if not isinstance(destination, KafkaTopic):
        with proxy_to(destination.port) as one:
            yield one
        return
    with proxy_to(0) as one, running(kafka_command(one.port), tmp_path / "kafka") as server:
        one.target = server.port
        destination.port = one.port  # a consumer is sent there, too
        yield one


@pytest.fixture
def unhurried(settings: Any) -> None:
    """What failed waits until the test retries it, and no circuit breaker opens meanwhile."""
    settings.HELIOSTAT_RETRY_FIRST = 3600
    settings.HELIOSTAT_BREAKER_FAILURES = 10**6
    settings.HELIOSTAT_CONNECT_TIMEOUT = 2
    settings.HELIOSTAT_REQUEST_TIMEOUT = 5
