"""A webhook receiver for tests: an HTTP server that remembers its deliveries, with answers that you choose.

    with Receiver(secret="whsec_...", answers=[503, Answer(delay=0.5)]) as receiver:
        ...                                        # something is sent to receiver.url
        first, second = receiver.wait_for(2)
        assert first.verified and second.json["type"] == "targets.target.created"

Each answer of the list is given once, in order; after them everything is answered with 200.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from heliostat.webhooks.verify import SignatureError, verify


@dataclass(frozen=True)
class Answer:
    """An answer to one request. Times are in seconds."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0.0  # before anything is answered
    drip: float = 0.0  # between the bytes of the body
    drop: bool = False  # close the connection without an answer
    reset: bool = False  # the same, rudely (TCP RST)


@dataclass(frozen=True)
class Delivery:
    """One request that a receiver got."""

    number: int  # 1 for the first request at this receiver
    method: str
    path: str
    headers: Message  # finds names in any case
    body: bytes
    verified: bool | None  # None: there was no secret to check the signature with
    problem: str  # why `verified` is False
    times_seen: int  # how often its webhook-id has arrived, this time included
    seen_at: float  # time.monotonic()

    @property
    def id(self) -> str:
        """Return the `webhook-id`: the same at every attempt."""
        return str(self.headers.get("webhook-id", ""))

    @property
    def json(self) -> Any:
        """Return the body, decoded from JSON."""
        return json.loads(self.body)


Answers = Sequence[Answer | int] | Callable[[Delivery], Answer]


class Receiver:
    """A webhook receiver, with one thread for each connection. All methods are thread-safe."""

    def __init__(
        self,
        *,
        secret: str | Sequence[str] = (),
        answers: Answers = (),
        host: str = "127.0.0.1",
        port: int = 0,
        on_delivery: Callable[[Delivery, Answer], None] | None = None,
    ) -> None:
        self.secrets = [secret] if isinstance(secret, str) else list(secret)
        self.answers = answers
        self._on_delivery = on_delivery
        self._deliveries: list[Delivery] = []
        self._seen: Counter[str] = Counter()
        self._arrived = threading.Condition()
        self._server = _Server((host, port), self)
        self.host, self.port = host, int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """Return the URL of the receiver. It accepts any path below it."""
        return f"http://{self.host}:{self.port}/"

    @property
    def deliveries(self) -> list[Delivery]:
        """Return all requests so far, in order."""
        with self._arrived:
            return list(self._deliveries)

    def wait_for(self, count: int, timeout: float = 5.0) -> list[Delivery]:
        """Wait until `count` requests have arrived, at most `timeout` seconds. Return all requests."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: len(self._deliveries) >= count, timeout):
                arrived = len(self._deliveries)
                raise TimeoutError(f"{arrived} of {count} deliveries arrived within {timeout:g} s")
            return list(self._deliveries)

    def clear(self) -> None:
        """Forget all requests: the next delivery has number 1."""
        with self._arrived:
            self._deliveries.clear()
            self._seen.clear()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The receiver itself: Django copies what `setUpTestData()` keeps for each test, and a server cannot be."""
        return self

    def start(self) -> Self:
        """Start to receive."""
        serve = self._server.serve_forever
        threading.Thread(target=serve, args=(0.05,), name="receiver", daemon=True).start()
        return self

    def stop(self) -> None:
        """Stop receiving and close every connection."""
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def receive(self, method: str, path: str, headers: Message, body: bytes) -> Answer:
        """Store one request, and return its answer."""
        verified, problem = self._check(headers, body)
        identifier = str(headers.get("webhook-id", ""))
        with self._arrived:
            self._seen[identifier] += 1
            delivery = Delivery(
                number=len(self._deliveries) + 1,
                method=method,
                path=path,
                headers=headers,
                body=body,
                verified=verified,
                problem=problem,
                times_seen=self._seen[identifier] if identifier else 1,
                seen_at=time.monotonic(),
            )
            answer = self._answer(delivery)
            if self._on_delivery:  # inside the lock, so that reports come out whole and in order
                self._on_delivery(delivery, answer)
            self._deliveries.append(delivery)
            self._arrived.notify_all()
        return answer

    def _check(self, headers: Message, body: bytes) -> tuple[bool | None, str]:
        if not self.secrets:
            return None, ""
        problem = ""
        for secret in self.secrets:
            try:
                verify(dict(headers.items()), body, secret)
            except SignatureError as error:
                problem = str(error)
            else:
                return True, ""
        return False, problem

    def _answer(self, delivery: Delivery) -> Answer:
        if callable(self.answers):
            return self.answers(delivery)
        if delivery.number > len(self.answers):
            return Answer()
        answer = self.answers[delivery.number - 1]
        return Answer(answer) if isinstance(answer, int) else answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], receiver: Receiver) -> None:
        self.receiver = receiver
        self.connections: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Wake the threads that wait for a next request on a connection that is kept."""
        for connection in list(self.connections):
            with suppress(OSError):  # the other side was faster
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that goes away in the middle is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body leave in one packet
    server: _Server

    def _receive(self) -> None:
        if "Transfer-Encoding" in self.headers:
            self.send_error(411, "Send the body with a Content-Length")
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = self.server.receiver.receive(self.command, self.path, self.headers, body)
        if answer.delay:
            time.sleep(answer.delay)
        if answer.drop or answer.reset:
            self._hang_up(rudely=answer.reset)
        else:
            self._send(answer)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET = do_HEAD = _receive

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != 204:  # noqa: PLR2004 - "no content" has no length either
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        pieces = [bytes([byte]) for byte in answer.body] if answer.drip else [answer.body]
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(answer.drip)

    def _hang_up(self, *, rudely: bool) -> None:
        self.close_connection = True
        if rudely:  # closing with a linger time of 0 sends a reset
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *arguments: Any) -> None:
        """The receiver reports what arrived, not the server's log."""
