"""A topic of Kafka. Use it as `heliostat.queues.kafka`.

Options: `url` (`kafka://host:9092`, several hosts with commas between them), `topic`, and `options`: a dict of settings
of librdkafka (`security.protocol`, `sasl.mechanism` …). A user name and password in the address are those of SASL.

The key of a message is the object (`targets.target:7`), so that the messages of an object are in one partition. The
producer is idempotent: a batch that it sends again by itself makes no repeats.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from urllib.parse import unquote

from heliostat.conf import conf
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.transitions import GIVE_UP
from heliostat.queues.base import Address, Confirmation, Publisher, Queue, Unconfirmed, down, package, text_of
from heliostat.queues.loading import loader
from heliostat.queues.messages import CONTENT_TYPE, Message
from heliostat.queues.options import Options

with package("kafka"):
    from confluent_kafka import KafkaError, KafkaException, Producer

logs = logging.getLogger("heliostat.queues.librdkafka")
HEADERS: dict[str, str | bytes | None] = {"content-type": CONTENT_TYPE}
FINAL = (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD)


class KafkaQueue(Queue):
    """A topic."""

    def __init__(self, options: Options) -> None:
        names, _, self.hosts = options.url(("kafka",), has_many_hosts=True).netloc.rpartition("@")
        user, _, password = map(unquote, names.partition(":"))
        self.topic = options.text("topic")
        further = options.mapping("options")
        sasl = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": user,
            "sasl.password": password,
        }
        self.settings: dict[str, Any] = {
            "bootstrap.servers": self.hosts,
            "client.id": "heliostat",
            "enable.idempotence": True,
            "linger.ms": 5,
            "message.timeout.ms": int(conf.request_timeout * 1000),
            "socket.connection.setup.timeout.ms": max(1000, int(conf.connect_timeout * 1000)),
            "log_level": 2,  # it would log each try to connect, many a second; what failed is in the results
            **(sasl if user else {}),
            **further,
        }
        if further:
            _check(self.settings)

    def __str__(self) -> str:
        return f"the Kafka topic {self.topic!r} at {self.hosts}"

    def producer(self, failed: Callable[[KafkaError], None]) -> Producer:
        """Return a producer, which connects by itself; it reports errors of connections to `failed`."""
        return Producer({**self.settings, "error_cb": failed}, logger=logs)

    def address(self) -> Address:
        return Address("kafka", self.hosts, self.topic)

    def publisher(self) -> Publisher:
        return KafkaPublisher(self)


def _check(settings: dict[str, Any]) -> None:
    """Raise `ConfigurationError` where librdkafka does not know or take a setting; it connects to nothing."""
    try:
        Producer({name: value for name, value in settings.items() if name != "bootstrap.servers"}, logger=logs)
    except (KafkaException, TypeError, ValueError) as error:
        raise ConfigurationError(f"`options` cannot be used: {text_of(error)}.") from None


class KafkaPublisher(Publisher):
    """Gives a batch to the producer, then waits for its delivery reports."""

    def __init__(self, queue: KafkaQueue) -> None:
        self._queue = queue
        self._producer: Producer | None = None
        self._trouble = ""  # the last error of a connection: it says more than that a message timed out

    def publish(self, messages: Sequence[Message]) -> Sequence[Confirmation]:
        if self._producer is None:
            self._producer = self._queue.producer(self._failed)
        producer, self._trouble = self._producer, ""
        confirmations = down("the broker did not confirm in time", len(messages))
        for index, message in enumerate(messages):
            report = partial(self._report, confirmations, index)
            try:
                producer.produce(self._queue.topic, message.body, message.key, on_delivery=report, headers=HEADERS)
            except (BufferError, KafkaException) as error:
                confirmations[index] = self._why(error.args[0] if isinstance(error, KafkaException) else error)
        producer.flush(conf.request_timeout + 5)  # each message times out before that
        if any(one is not None and one.is_down for one in confirmations):
            self.close()  # after some errors (a fatal one, a sequence that broke) it would deliver nothing any more
        return confirmations

    def close(self) -> None:
        """Drop the producer, and what it has not sent: the outbox still has it."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1)
            self._producer = None

    def _report(self, confirmations: list[Confirmation], index: int, error: KafkaError | None, _message: Any) -> None:
        confirmations[index] = None if error is None else self._why(error)

    def _why(self, error: KafkaError | BufferError) -> Unconfirmed:
        if isinstance(error, KafkaError):
            if error.code() in FINAL:
                return Unconfirmed(text_of(error.str()), GIVE_UP)
            return Unconfirmed(self._trouble or text_of(error.str()), is_down=True)
        return Unconfirmed("the local queue of the producer is full", is_down=True)

    def _failed(self, error: KafkaError) -> None:
        self._trouble = text_of(error.str())


load_from_config = loader(KafkaQueue)
