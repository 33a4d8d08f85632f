"""What only RabbitMQ says: a queue that is full, a key without a queue, a message that is too large."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import amqp
import pytest

from heliostat.outbox import transitions
from heliostat.outbox.models import Callback
from heliostat.testing import drain_outbox
from tests.example.models import Vehicle
from tests.queues.destinations import RabbitExchange
from tests.queues.servers import need_port, own_rabbitmq

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("unhurried")]


@pytest.fixture
def exchange(settings: Any) -> Any:
    """An exchange that does not exist yet."""
    need_port(5672, "RabbitMQ")
    made = RabbitExchange(5672)
    settings.EVENT_LISTENERS = {"stream": {**made.section(), "resources": ["vehicle"]}}
    yield made
    made.close()


def bind(exchange: RabbitExchange, key: str = "#", **arguments: Any) -> None:
    connection = amqp.Connection(f"127.0.0.1:{exchange.port}")
    connection.connect()
    channel = connection.channel()
    channel.queue_declare(exchange.name, durable=True, auto_delete=False, arguments=arguments)
    channel.queue_bind(exchange.name, exchange.name, key)
    connection.close()


def vehicles(count: int, **fields: Any) -> None:
    for number in range(count):
        Vehicle.objects.create(name=str(number), **fields)


def test_a_message_that_no_queue_is_bound_for_waits_until_one_is(exchange: RabbitExchange) -> None:
    vehicles(2)
    assert drain_outbox() == {"retry": 2}
    details = set(Callback.objects.values_list("status_details", flat=True))
    (text,) = details
    assert text.endswith("for the routing key 'example.vehicle.created'")
    bind(exchange)  # Heliostat made the exchange
    transitions.retry_now("default")
    assert drain_outbox() == {"sent": 2}
    assert len(exchange.events()) == 2


def test_a_message_without_a_queue_may_be_dropped_on_request(exchange: RabbitExchange, settings: Any) -> None:
    settings.EVENT_LISTENERS = {"stream": {**exchange.section(), "resources": ["vehicle"], "mandatory": False}}
    vehicles(1)
    assert drain_outbox() == {"sent": 1}


def test_what_a_full_queue_refuses_is_retried_and_the_rest_is_recorded(exchange: RabbitExchange) -> None:
    exchange.prepare_exchange()
    bind(exchange, **{"x-max-length": 5, "x-overflow": "reject-publish"})
    vehicles(20)
    outcomes = drain_outbox()
    assert outcomes["sent"] >= 5
    assert outcomes["retry"] >= 1
    assert outcomes["sent"] + outcomes["retry"] == 20
    assert "basic.nack" in Callback.objects.filter(status="waiting")[0].status_details
    assert len(exchange.events()) == outcomes["sent"]
    while Callback.objects.filter(status="waiting").exists():
        transitions.retry_now("default")
        drain_outbox()
        exchange.events()


@pytest.mark.slow
def test_a_message_that_is_too_large_is_given_up_and_the_others_go_on(settings: Any, tmp_path: Path) -> None:
    with own_rabbitmq(tmp_path, "max_message_size = 5000") as server:
        exchange = RabbitExchange(server.port)
        exchange.prepare()
        settings.EVENT_LISTENERS = {"stream": {**exchange.section(), "resources": ["vehicle"]}}
        vehicles(3)
        vehicles(1, plan={"a": "x" * 10_000})
        vehicles(3)
        drain_outbox()
        transitions.retry_now("default")  # what came after it, when the server closed the channel
        drain_outbox()
        assert sorted(Callback.objects.values_list("status", flat=True)) == ["error"] + ["sent"] * 6
        assert "max_message_size allows 5,000" in Callback.objects.get(status="error").status_details
        vehicles(1, plan={"a": "x" * 10_000})
        assert drain_outbox() == {"give_up": 1}
        found = exchange.events()
        assert len({event["id"] for event in found}) == 6
