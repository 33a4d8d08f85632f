"""Servers that misbehave: real sockets on loopback, and what comes of one event notified to them."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from django.contrib.contenttypes.models import ContentType

from heliostat.outbox.models import Attempt
from heliostat.testing import drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

Serve = Callable[[socket.socket], None]
"""What happens on one connection, once a request has been read from it."""


class RawServer:
    """Each connection has a thread; it is `over` when the test is, so that nobody sleeps longer than needed."""

    def __init__(
        self,
        serve: Serve,
        tls: ssl.SSLContext | None = None,
        listening: socket.socket | None = None,
        before: Serve = lambda _: None,
    ) -> None:
        """`before` is what happens before anything is read, or shaken hands on."""
        self.serve = serve
        self.before = before
        self.connections = 0
        self.over = threading.Event()
        self._tls = tls
        self._listening = listening or socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}/"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                self.connections += 1
                threading.Thread(target=self._connected, args=(connection,), daemon=True).start()

    def _connected(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            self.before(connection)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            if read_request(connection):
                self.serve(connection)


def read_request(connection: socket.socket) -> bytes:
    """A whole request, or nothing where the other side has closed."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (chunk := connection.recv(65536)):
            return b""
        read += chunk
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < int(lengths[0]):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def raw_server(serve: Serve, **options: object) -> Iterator[RawServer]:
    server = RawServer(serve, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def saying(answer: bytes) -> Serve:
    """Answer with these bytes, then close."""
    return lambda connection: connection.sendall(answer)


def endlessly(beginning: bytes, chunk: bytes) -> Serve:
    """Never stop sending, until the other side hangs up."""

    def serve(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while True:
            connection.sendall(chunk)

    return serve


def hook_to(url: str) -> Hook:
    return Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=url)


def notified_once(url: str) -> Attempt:
    """The attempt that comes of one event notified to one hook."""
    hook_to(url)
    Vehicle.objects.create(name="55")
    drain_outbox()
    return Attempt.objects.get()
