"""A stream of NATS JetStream. Use it as `heliostat.queues.nats`.

Options: `url` (`nats://` or `tls://`), `subject` (`{type}` in it stands for the event type: `heliostat.{type}`), and,
for the stream that is made where none has the subject: `stream` (its name; default: made of the subject) and `maxlen`
(so many messages are kept, the newest; 0 keeps all).

`Nats-Msg-Id` is the id of the callback: JetStream drops repeats within the time that the stream is configured for.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec

from heliostat.conf import conf
from heliostat.exceptions import ConfigurationError
from heliostat.queues.base import (
    Address,
    Confirmation,
    Publisher,
    Queue,
    Unconfirmed,
    down,
    package,
    text_of,
    too_large,
)
from heliostat.queues.loading import loader
from heliostat.queues.messages import Message
from heliostat.queues.options import Options

with package("nats"):
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.errors import Error as NatsError

T = TypeVar("T")
TYPE = "{type}"
MAXLEN = 100_000  # messages
ID = "Nats-Msg-Id"
HEAD = len(f"NATS/1.0\r\n{ID}: \r\n\r\n")  # bytes of a message beside its id and its body
NO_STREAM = "503"  # nobody answers: no stream has the subject
SUBJECT = re.compile(r"[^\s.*>]+(\.[^\s.*>]+)*")


class NatsQueue(Queue):
    """A subject, or one for each event type."""

    def __init__(self, options: Options) -> None:
        parts = options.url(("nats", "tls"))
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or "127.0.0.1"
        self.server = f"{parts.scheme}://{host}:{parts.port or 4222}"
        self.user = unquote(parts.username) if parts.username else None
        self.password = unquote(parts.password) if parts.password else None
        self.subject = options.text("subject")
        if not SUBJECT.fullmatch(self.subject.replace(TYPE, "type")):
            raise ConfigurationError(
                f"`subject` is {self.subject!r}; it must be words with dots between them, without spaces and wildcards."
            )
        default = re.sub(r"[^\w-]+", "-", self.subject.replace(TYPE, "").strip(".")) or "heliostat"
        self.stream = options.text("stream", default)
        self.maxlen = options.whole_number("maxlen", MAXLEN)

    def __str__(self) -> str:
        return f"the NATS subject {self.subject!r} at {self.server.partition('://')[2]}"

    def address(self) -> Address:
        return Address("nats", self.server.partition("://")[2], self.subject)

    def publisher(self) -> Publisher:
        return NatsPublisher(self)


class NatsPublisher(Publisher):
    """Publishes a batch, then waits for the acknowledgements, which arrive at an inbox of its own."""

    def __init__(self, queue: NatsQueue) -> None:
        self._queue = queue
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = Client()
        self._inbox = ""
        self._number = 0  # of the last message
        self._pending: dict[str, asyncio.Future[Confirmation | str]] = {}

    def publish(self, messages: Sequence[Message]) -> Sequence[Confirmation]:
        try:
            self._run(self._connect())
        except (NatsError, OSError, TimeoutError) as error:
            return down(error, len(messages))
        return self._run(self._publish(messages))

    def close(self) -> None:
        if self._loop is not None:
            loop, self._loop = self._loop, None
            asyncio.run_coroutine_threadsafe(self._client.close(), loop).result(conf.request_timeout)
            loop.call_soon_threadsafe(loop.stop)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop, whose thread goes on between batches: it answers the server's pings."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(target=_run_loop, args=(self._loop,), name="heliostat-nats", daemon=True).start()
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    async def _connect(self) -> None:
        if self._client.is_connected:
            return
        self._pending.clear()
        self._client = Client()
        await asyncio.wait_for(
            self._client.connect(
                self._queue.server,
                name="heliostat",
                user=self._queue.user,
                password=self._queue.password,
                allow_reconnect=False,  # what is not confirmed is retried by the outbox
                connect_timeout=max(1, int(conf.connect_timeout)),
                disconnected_cb=self._lost,
                error_cb=_ignored,  # each failure is in the result of the messages that it is of
            ),
            conf.connect_timeout,
        )
        self._inbox = self._client.new_inbox()
        await self._client.subscribe(f"{self._inbox}.*", cb=self._answered)

    async def _publish(self, messages: Sequence[Message]) -> list[Confirmation]:
        answers = await self._send(messages)
        if unheard := [index for index, answer in enumerate(answers) if answer == NO_STREAM]:
            try:
                await self._make_stream()
            except (NatsError, OSError, TimeoutError) as error:
                again: Sequence[Confirmation | str] = down(f"no stream has the subject: {error}", len(unheard))
            else:
                again = await self._send([messages[index] for index in unheard])
            for index, answer in zip(unheard, again, strict=True):
                answers[index] = answer
        return [
            Unconfirmed("no stream has the subject", is_down=True) if isinstance(one, str) else one for one in answers
        ]

    async def _send(self, messages: Sequence[Message]) -> list[Confirmation | str]:
        futures: list[asyncio.Future[Confirmation | str]] = []
        loop = asyncio.get_running_loop()
        for message in messages:
            self._number += 1
            token = str(self._number)
            self._pending[token] = future = loop.create_future()
            futures.append(future)
            most = self._client.max_payload
            if HEAD + len(message.id) + len(message.body) > most:
                future.set_result(too_large(message, most, "max_payload"))
                continue
            subject = self._queue.subject.replace(TYPE, message.type)
            try:
                await self._client.publish(subject, message.body, f"{self._inbox}.{token}", {ID: message.id})
            except (NatsError, OSError) as error:
                if not future.done():
                    future.set_result(Unconfirmed(text_of(error), is_down=True))
        await asyncio.wait(futures, timeout=conf.request_timeout)
        late = Unconfirmed("the server did not acknowledge in time", is_down=True)
        return [future.result() if future.done() else late for future in futures]

    async def _answered(self, answer: Msg) -> None:
        future = self._pending.pop(answer.subject.rpartition(".")[2], None)
        if future is not None and not future.done():
            future.set_result(_confirmation_of(answer))

    async def _lost(self) -> None:
        for future in self._pending.values():
            if not future.done():
                future.set_result(Unconfirmed("the connection was lost", is_down=True))
        self._pending.clear()

    async def _make_stream(self) -> None:
        queue = self._queue
        subjects = [queue.subject.replace(TYPE, ">") if queue.subject.endswith(TYPE) else queue.subject]
        if TYPE in subjects[0]:
            raise NatsError(f"make a stream for the subject {queue.subject!r}")
        context = self._client.jetstream(timeout=conf.request_timeout)
        await context.add_stream(name=queue.stream, subjects=subjects, max_msgs=queue.maxlen or -1)


class _Problem(msgspec.Struct):
    description: str = ""


class _Answer(msgspec.Struct):
    error: _Problem | None = None


_answer = msgspec.json.Decoder(_Answer)


def _confirmation_of(answer: Msg) -> Confirmation | str:
    if answer.headers and answer.headers.get("Status") == NO_STREAM:
        return NO_STREAM
    try:
        problem = _answer.decode(answer.data).error
    except msgspec.MsgspecError:
        return Unconfirmed("the answer of the server is no acknowledgement", is_down=True)
    return None if problem is None else Unconfirmed(text_of(problem.description or "refused"), is_down=True)


def _run_loop(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _ignored(_: Exception) -> None:
    """Log nothing: nats-py would print the whole traceback of each failed attempt to connect."""


load_from_config = loader(NatsQueue)
