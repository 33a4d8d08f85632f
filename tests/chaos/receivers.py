"""Receivers for tens of thousands of deliveries: they keep a hash of each body, and misbehave when notified to."""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from heliostat.delivery.signing import new_secret
from heliostat.webhooks.verify import SignatureError, verify

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n" + b"x" * 20
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class Message:
    """What has been heard under one webhook-id."""

    digest: bytes
    object_id: str
    name: str
    accepted: int = 0  # how often it was answered with 200, to the last byte


class LeanReceiver:
    """One address. `mischief` says of each request how it is answered: ok, busy, reset, drip or delay."""

    def __init__(self, loop: asyncio.AbstractEventLoop, mischief: Callable[[], str]) -> None:
        self.loop = loop
        self.mischief = mischief
        self.secret = new_secret()
        self.messages: dict[str, Message] = {}
        self.answers: Counter[str] = Counter()
        self.problems: list[str] = []
        self.connections: set[asyncio.Transport] = set()
        self.port = 0
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def repeats(self) -> int:
        return sum(max(0, message.accepted - 1) for message in self.messages.values())

    def up(self) -> None:
        self._await(self._up())

    def down(self) -> None:
        """Nobody listens any more, and who was connected is cut off."""
        self._await(self._down())

    def hear(self, headers: dict[str, str], body: bytes) -> Message:
        """Check and remember one request."""
        try:
            verify(headers, body, self.secret)
        except SignatureError as error:
            self.problems.append(str(error))
        identifier, digest = headers.get("webhook-id", ""), hashlib.sha256(body).digest()
        message = self.messages.get(identifier)
        if message is None:
            notified = json.loads(body)
            message = Message(digest, str(notified["object_id"]), notified["object_serialization"]["name"])
            self.messages[identifier] = message
        elif message.digest != digest:
            self.problems.append(f"{identifier} came with two bodies")
        return message

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    async def _up(self) -> None:
        self._server = await self.loop.create_server(lambda: _Conversation(self), "127.0.0.1", self.port, backlog=512)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.abort()


class _Conversation(asyncio.Protocol):
    """One connection, kept for many requests."""

    def __init__(self, receiver: LeanReceiver) -> None:
        self.receiver = receiver
        self.received = b""
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.receiver.connections.add(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.receiver.connections.discard(self.transport)

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        lines = [line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:]]
        headers = {name.lower(): value.strip() for name, _, value in lines}
        length = int(headers.get("content-length", 0))
        if len(rest) >= length:
            self.received = rest[length:]
            self._answer(self.receiver.hear(headers, rest[:length]))

    def _answer(self, message: Message) -> None:
        how = self.receiver.mischief()
        self.receiver.answers[how] += 1
        if how == "busy":
            self.transport.write(BUSY)
        elif how == "reset":
            self.transport.abort()
        elif how == "drip":
            self._drip(message, ANSWER, 8)
        elif how == "delay":
            self.receiver.loop.call_later(0.2, self._accept, message, ANSWER)
        else:
            self._accept(message, ANSWER)

    def _drip(self, message: Message, answer: bytes, size: int) -> None:
        if len(answer) <= size:
            self._accept(message, answer)
        elif not self.transport.is_closing():
            self.transport.write(answer[:size])
            self.receiver.loop.call_later(0.05, self._drip, message, answer[size:], size)

    def _accept(self, message: Message, last: bytes) -> None:
        if not self.transport.is_closing():  # else the sender died, or had enough of waiting
            self.transport.write(last)
            message.accepted += 1


@contextmanager
def receivers(*mischiefs: Callable[[], str]) -> Iterator[list[LeanReceiver]]:
    """One receiver for each of these, all of them up, on one loop on a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="chaos-receivers", daemon=True)
    thread.start()
    made = [LeanReceiver(loop, mischief) for mischief in mischiefs]
    try:
        for one in made:
            one.up()
        yield made
    finally:
        for one in made:
            one.down()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
