"""Each destination on a real server: the section that publishes there, and what a consumer finds."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Coroutine
from typing import Any

import amqp
import nats
import redis
from confluent_kafka import Consumer, TopicPartition

Event = dict[str, Any]
GUEST = "guest:guest@"


class Destination:
    """A stream, exchange or topic with a name of its own, on the server at `port`; `through` is the port of a proxy."""

    use: str
    answers = 60
    """Bytes with which the server answers to the first of 300 messages."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.name = f"test-{uuid.uuid4().hex[:10]}"

    def section(self, through: int | None = None) -> dict[str, Any]:
        """Return the settings of a listener that publishes here."""
        raise NotImplementedError

    def events(self) -> list[Event]:
        """Return all events that are here, in the order of the server; call it once."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Do what a consumer does before anything is published."""

    def close(self) -> None:
        """Delete it."""


class RedisStream(Destination):
    use = "heliostat.queues.redis"
    answers = 3000

    def __init__(self, port: int, protocol: int = 2) -> None:
        super().__init__(port)
        self.protocol = protocol
        self.client = redis.Redis(port=port)

    def section(self, through: int | None = None) -> dict[str, Any]:
        url = f"redis://127.0.0.1:{through or self.port}/0?protocol={self.protocol}"
        return {"use": self.use, "url": url, "stream": self.name}

    def events(self) -> list[Event]:
        return [json.loads(fields[b"event"]) for _, fields in self.client.xrange(self.name)]

    def close(self) -> None:
        self.client.delete(self.name)
        self.client.close()


class RedisList(RedisStream):
    answers = 900

    def section(self, through: int | None = None) -> dict[str, Any]:
        section = super().section(through)
        section["list"] = section.pop("stream")
        return section

    def events(self) -> list[Event]:
        found: list[Event] = []
        while (text := self.client.rpop(self.name)) is not None:
            found.append(json.loads(text))
        return found


class RabbitExchange(Destination):
    use = "heliostat.queues.rabbitmq"

    def section(self, through: int | None = None) -> dict[str, Any]:
        return {"use": self.use, "url": f"amqp://{GUEST}127.0.0.1:{through or self.port}//", "exchange": self.name}

    def prepare_exchange(self) -> None:
        channel = self._channel()
        channel.exchange_declare(self.name, "topic", durable=True, auto_delete=False)
        channel.connection.close()

    def prepare(self) -> None:
        self.prepare_exchange()
        channel = self._channel()
        channel.queue_declare(self.name, durable=True, auto_delete=False)
        channel.queue_bind(self.name, self.name, "#")
        channel.connection.close()

    def events(self) -> list[Event]:
        channel = self._channel()
        found: list[Event] = []
        while (message := channel.basic_get(self.name, no_ack=True)) is not None:
            found.append(json.loads(message.body))
        channel.connection.close()
        return found

    def close(self) -> None:
        channel = self._channel()
        channel.queue_delete(self.name)
        channel.exchange_delete(self.name)
        channel.connection.close()

    def _channel(self) -> Any:
        connection = amqp.Connection(f"127.0.0.1:{self.port}")
        connection.connect()
        return connection.channel()


class NatsSubject(Destination):
    use = "heliostat.queues.nats"
    answers = 3000

    def section(self, through: int | None = None) -> dict[str, Any]:
        return {"use": self.use, "url": f"nats://127.0.0.1:{through or self.port}", "subject": self.name + ".{type}"}

    def events(self) -> list[Event]:
        return run(self._events())

    async def _events(self) -> list[Event]:
        client = await nats.connect(f"nats://127.0.0.1:{self.port}")
        context = client.jetstream()
        found: list[Event] = []
        if (await context.stream_info(self.name)).state.messages:
            subscription = await context.subscribe(f"{self.name}.>", ordered_consumer=True)
            is_last = False
            while not is_last:
                message = await subscription.next_msg(timeout=30)
                found.append(json.loads(message.data))
                is_last = message.metadata.num_pending == 0
        await client.close()
        return found

    def close(self) -> None:
        async def delete() -> None:
            client = await nats.connect(f"nats://127.0.0.1:{self.port}")
            try:
                await client.jetstream().delete_stream(self.name)
            except nats.js.errors.NotFoundError:
                pass
            finally:
                await client.close()

        run(delete())


class KafkaTopic(Destination):
    use = "heliostat.queues.kafka"

    def section(self, through: int | None = None) -> dict[str, Any]:
        return {"use": self.use, "url": f"kafka://127.0.0.1:{through or self.port}", "topic": self.name}

    def events(self) -> list[Event]:
        consumer = Consumer({"bootstrap.servers": f"127.0.0.1:{self.port}", "group.id": self.name})
        numbers = consumer.list_topics(self.name, timeout=10).topics[self.name].partitions
        partitions = [TopicPartition(self.name, number, 0) for number in numbers]
        consumer.assign(partitions)
        found: dict[tuple[int, int], Event] = {}
        while batch := consumer.consume(1000, 2):  # the high watermark of this broker lags behind
            for one in batch:
                if not one.error():
                    found[one.partition(), one.offset()] = json.loads(one.value())
        consumer.close()
        return [found[place] for place in sorted(found)]


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)
