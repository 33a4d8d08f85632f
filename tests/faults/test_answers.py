"""Whatever receivers answer, each is judged by itself, within its time, and none of it harms the worker."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from heliostat.outbox.models import Attempt, Callback
from heliostat.testing import Answer, Receiver, drain_outbox
from tests.example.models import Vehicle
from tests.faults.servers import OK, RawServer, endlessly, hook_to, notified_once, raw_server, read_request, saying

pytestmark = pytest.mark.django_db(transaction=True)

EMPTY = b"Content-Length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

STRANGE = {
    "204 with a body": (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", 204),
    "1xx first": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 3 + OK, 200),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nbody", 200),
    "header that is no text": (b"HTTP/1.1 200 \xff\xfe\r\nX: \xff\r\n" + EMPTY, 200),
    "length beyond all numbers": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nab", 200),
    "status 600": (b"HTTP/1.1 600 Whatever\r\n" + EMPTY, 600),
    "status 999": (b"HTTP/1.1 999 Whatever\r\n" + EMPTY, 999),
    "304": (b"HTTP/1.1 304 Not Modified\r\n\r\n", 304),
    "401": (b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\n" + EMPTY, 401),
    "417": (b"HTTP/1.1 417 Expectation Failed\r\n" + EMPTY, 417),
    "status 1000": (b"HTTP/1.1 1000 Whatever\r\n" + EMPTY, None),
    "status 099": (b"HTTP/1.1 099 Whatever\r\n" + EMPTY, None),
    "101, though nobody asked": (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", None),
    "1xx and nothing else": (b"HTTP/1.1 100 Continue\r\n\r\n", None),
    "HTTP/0.9": (b"hello\r\n", None),
    "NUL in a header": (b"HTTP/1.1 200 OK\r\nX: a\0b\r\n" + EMPTY, None),
    "two lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", None),
    "negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab", None),
    "chunk without a size": (CHUNKED + b"zz\r\n", None),
    "packed, though nobody asked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n" + gzip.compress(b"0"), None),
    "body cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", None),
    "no HTTP at all": (b"\x00\xff\xfe\r\n\r\n", None),
    "empty lines": (b"\r\n\r\n", None),
    "nothing": (b"", None),
}


def test_strange_answers_are_judged_each_by_itself() -> None:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(raw_server(saying(answer))) for name, (answer, _) in STRANGE.items()}
        hooks = {hook_to(server.url).subscriber: name for name, server in servers.items()}
        Vehicle.objects.create(name="55")
        drain_outbox()
    attempts = {hooks[one.callback.subscriber]: one for one in Attempt.objects.select_related("callback")}
    expected = {name: code for name, (_, code) in STRANGE.items()}
    assert {name: one.status_code for name, one in attempts.items()} == expected
    assert all((one.outcome == "sent") == (one.status_code in (200, 204)) for one in attempts.values())
    assert all(one.error for one in attempts.values() if one.status_code is None), "an error says what was wrong"
    assert {name: server.connections for name, server in servers.items()} == dict.fromkeys(STRANGE, 1)


ENDLESS = {
    "headers": (endlessly(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1000), None),
    "one header": (endlessly(b"HTTP/1.1 200 OK\r\nX: ", b"y" * 10_000), None),
    "1xx": (endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500), None),
    "trailers": (endlessly(CHUNKED + b"0\r\n", b"X: y\r\n" * 1000), None),
    "words beside a chunk's size": (endlessly(CHUNKED + b"1;", b"x" * 1000), None),
    "body": (endlessly(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", b"x" * 10_000), 200),
    "body in chunks": (endlessly(CHUNKED, b"1\r\nx\r\n" * 100), 200),
}


def test_answers_without_end_are_cut_off_and_delay_nobody_else(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_REQUEST_TIMEOUT = 2.0
    with ExitStack() as stack:
        servers = {name: stack.enter_context(raw_server(serve)) for name, (serve, _) in ENDLESS.items()}
        hooks = {hook_to(server.url).subscriber: name for name, server in servers.items()}
        hook_to(receiver.url)
        Vehicle.objects.create(name="55")
        drain_outbox()
        receiver.wait_for(1)
    attempts = {hooks.get(one.callback.subscriber): one for one in Attempt.objects.select_related("callback")}
    assert attempts.pop(None).outcome == "sent"
    assert {name: one.status_code for name, one in attempts.items()} == {
        name: code for name, (_, code) in ENDLESS.items()
    }
    assert all((one.outcome == "sent") == (one.status_code == 200) for one in attempts.values())
    assert max(len(one.response) for one in attempts.values()) == 1024
    assert all(one.error for one in attempts.values() if one.status_code is None)


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        attempt = notified_once(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert attempt.outcome == "retry"
    assert "connect" in attempt.error.lower()


def test_an_answer_that_never_comes_ends_at_the_deadline(settings: Any) -> None:
    settings.HELIOSTAT_REQUEST_TIMEOUT = 0.5
    over = threading.Event()
    with raw_server(lambda _: over.wait(30)) as server:
        attempt = notified_once(server.url)
        over.set()
    assert attempt.outcome == "retry"
    assert attempt.duration_ms > 400


@pytest.mark.parametrize("beginning", [b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: "])
def test_an_answer_that_drips_ends_at_the_deadline(beginning: bytes, settings: Any) -> None:
    settings.HELIOSTAT_REQUEST_TIMEOUT = 0.5

    def drip(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while not server.over.wait(0.05):
            connection.sendall(b"x")

    with raw_server(drip) as server:
        assert notified_once(server.url).outcome == "retry"


def test_a_body_that_is_no_text_is_kept_readable(receiver: Receiver) -> None:
    receiver.answers = [Answer(500, body=b"a\x00b\xff\xfec")]
    assert notified_once(receiver.url).response == "a\ufffdb\ufffd\ufffdc"


def test_a_compressed_answer_is_neither_asked_for_nor_unpacked(receiver: Receiver) -> None:
    receiver.answers = [Answer(200, {"Content-Encoding": "gzip"}, body=gzip.compress(b"\0" * 10_000_000))]
    attempt = notified_once(receiver.url)
    assert attempt.outcome == "sent"
    assert len(attempt.response) <= 1024
    assert "Accept-Encoding" not in receiver.deliveries[0].headers


def test_cookies_are_not_kept(receiver: Receiver) -> None:
    receiver.answers = [Answer(200, {"Set-Cookie": "a=b"})] * 2
    hook_to(receiver.url)
    for name in "55", "56":
        Vehicle.objects.create(name=name)
        drain_outbox()
    assert all("Cookie" not in one.headers for one in receiver.deliveries)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    with Receiver() as other:
        receiver.answers = [Answer(status, {"Location": other.url})]
        assert notified_once(receiver.url).outcome == "retry"
        assert other.deliveries == []


def test_a_receiver_that_is_gone_gets_nothing_more(receiver: Receiver) -> None:
    receiver.answers = [Answer(410)]
    hook_to(receiver.url)
    for name in "55", "56":
        Vehicle.objects.create(name=name)
        drain_outbox()
    assert len(receiver.deliveries) == 1
    assert set(Callback.objects.values_list("status", flat=True)) == {"error"}


def test_headers_that_no_text_can_hold_do_not_harm_the_log() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 500 \xff\xfe\r\nX-\xe9: \xff\xff\r\n\x01: \x02\r\n" + EMPTY)
        read_request(connection)

    server = RawServer(serve)
    try:
        assert notified_once(server.url).status_code == 500
    finally:
        server.close()
