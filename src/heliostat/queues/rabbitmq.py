"""A topic exchange of RabbitMQ. Use it as `heliostat.queues.rabbitmq`.

Options: `url` (`amqp://` or `amqps://`), `exchange` (made where it does not exist: durable, of the type topic), and
`mandatory` (default: true): a message that no queue is bound for is retried; false lets RabbitMQ drop it.

The routing key is the event type. Messages are persistent.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from heliostat.conf import conf
from heliostat.queues.base import Address, Confirmation, Publisher, Queue, Unconfirmed, package, text_of, too_large
from heliostat.queues.loading import loader
from heliostat.queues.messages import CONTENT_TYPE, Message
from heliostat.queues.options import Options

with package("rabbitmq"):
    import amqp
    from amqp.exceptions import AMQPError, ChannelError, NotFound

PORTS = {"amqp": 5672, "amqps": 5671}
PERSISTENT = 2
LARGEST = 512 * 1024 * 1024  # bytes, where the server does not say; it says when it refuses one
LARGEST_SETTING = "max_message_size"
TOO_LARGE = re.compile(r"message size \d+ .*larger than .*?(\d+)")


class RabbitQueue(Queue):
    """An exchange."""

    def __init__(self, options: Options) -> None:
        parts = options.url(tuple(PORTS))
        self.exchange = options.text("exchange")
        self.mandatory = options.flag("mandatory", True)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or PORTS[parts.scheme]
        self.has_tls = parts.scheme == "amqps"
        self.virtual_host = unquote(parts.path[1:]) or "/"
        self.user = unquote(parts.username or "guest")
        self.password = unquote(parts.password or "guest")

    def __str__(self) -> str:
        return f"the RabbitMQ exchange {self.exchange!r} at {self.host}:{self.port}"

    def connection(self) -> amqp.Connection:
        """Return a connection, which is not open yet."""
        authorities = {"cafile": conf.ca_file} if conf.ca_file else {}
        tls = {"context": {"check_hostname": True, **authorities}, "server_hostname": self.host}
        return amqp.Connection(
            f"{self.host}:{self.port}",
            self.user,
            self.password,
            virtual_host=self.virtual_host,
            ssl=tls if self.has_tls else False,
            connect_timeout=conf.connect_timeout,
            read_timeout=conf.request_timeout,
            write_timeout=conf.request_timeout,
        )

    def address(self) -> Address:
        return Address("amqp", f"{self.host}:{self.port}", self.exchange)

    def publisher(self) -> Publisher:
        return RabbitPublisher(self)


class RabbitPublisher(Publisher):
    """Publishes a batch, then waits for the confirmations of the server (an extension of AMQP 0.9.1 by RabbitMQ)."""

    def __init__(self, queue: RabbitQueue) -> None:
        self._queue = queue
        self._connection: Any = None
        self._channel: Any = None
        self._largest = LARGEST
        self._tag = 0  # of the last message: the server numbers those of a channel from 1
        self._pending: dict[int, int] = {}  # the index in the batch, by tag, in order
        self._confirmations: list[Confirmation] = []
        self._returned: set[str] = set()

    def publish(self, messages: Sequence[Message]) -> Sequence[Confirmation]:
        self._pending.clear()
        self._returned.clear()
        self._confirmations = [Unconfirmed("not published yet")] * len(messages)
        try:
            self._open()
            for index, message in enumerate(messages):
                if len(message.body) > self._largest:
                    self._confirmations[index] = too_large(message, self._largest, LARGEST_SETTING)
                else:
                    self._send(index, message)
            self._wait()
        except (AMQPError, OSError) as error:
            self._failed(error, messages)
        for index, message in enumerate(messages if self._returned else ()):
            if message.id in self._returned:
                self._confirmations[index] = Unconfirmed(
                    f"no queue is bound to the exchange {self._queue.exchange!r} for the routing key {message.type!r}"
                )
        return self._confirmations

    def close(self) -> None:
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None and connection.connected:
            connection.close()

    def _open(self) -> None:
        """Open what is not open, or was closed by the server meanwhile."""
        if self._connection is not None:
            try:
                self._connection.drain_events(timeout=0)
            except TimeoutError:  # nothing has arrived: all is well
                pass
            except (AMQPError, OSError):
                self._drop()
        if self._connection is None:
            self._connection = self._queue.connection()
            self._connection.connect()
        if self._channel is None or not self._channel.is_open:
            self._declare()
            self._channel = self._connection.channel()
            self._channel.confirm_select()
            self._tag = 0
            self._channel.events["basic_ack"].add(self._acknowledged)
            self._channel.events["basic_nack"].add(self._refused)
            self._channel.events["basic_return"].add(self._unroutable)

    def _declare(self) -> None:
        """Make the exchange where it does not exist; one that does may be of any type."""
        name = self._queue.exchange
        channel = self._connection.channel()
        try:
            channel.exchange_declare(name, "topic", passive=True)
        except NotFound:
            channel = self._connection.channel()
            channel.exchange_declare(name, "topic", durable=True, auto_delete=False)
        channel.close()

    def _send(self, index: int, message: Message) -> None:
        properties = {
            "content_type": CONTENT_TYPE,
            "delivery_mode": PERSISTENT,
            "message_id": message.id,
            "type": message.type,
        }
        self._tag += 1
        self._pending[self._tag] = index
        self._channel.basic_publish(
            amqp.Message(message.body, **properties), self._queue.exchange, message.type, self._queue.mandatory
        )

    def _wait(self) -> None:
        end = time.monotonic() + conf.request_timeout
        while self._pending:
            if (left := end - time.monotonic()) <= 0:
                raise TimeoutError("the server did not confirm in time")
            self._connection.drain_events(timeout=left)

    def _acknowledged(self, tag: int, multiple: bool) -> None:
        self._settled(tag, multiple, None)

    def _refused(self, tag: int, multiple: bool) -> None:
        self._settled(tag, multiple, Unconfirmed("the server refused the message (basic.nack)", is_down=True))

    def _settled(self, tag: int, multiple: bool, confirmation: Confirmation) -> None:
        tags = [one for one in self._pending if one <= tag] if multiple else [tag]
        for one in tags:
            if (index := self._pending.pop(one, None)) is not None:
                self._confirmations[index] = confirmation

    def _unroutable(self, _error: Any, _exchange: str, _routing_key: str, message: Any) -> None:
        self._returned.add(message.properties.get("message_id", ""))

    def _failed(self, error: AMQPError | OSError, messages: Sequence[Message]) -> None:
        """Say of what is not confirmed yet why; the connection is closed, unless the error is of its channel."""
        text = getattr(error, "reply_text", None) or text_of(error)
        refusal = TOO_LARGE.search(text)
        if refusal:
            self._largest = int(refusal[1])
        why = Unconfirmed(text_of(text), is_down=not refusal)
        for index, confirmation in enumerate(self._confirmations):
            if confirmation is not None and confirmation.outcome == why.outcome:
                is_too_large = len(messages[index].body) > self._largest
                self._confirmations[index] = (
                    too_large(messages[index], self._largest, LARGEST_SETTING) if is_too_large else why
                )
        if not isinstance(error, ChannelError):
            self._drop()

    def _drop(self) -> None:
        """Close the connection without a word to the server, which may not be there."""
        if self._connection is not None:
            self._connection.collect()
        self._connection = self._channel = None


load_from_config = loader(RabbitQueue)
