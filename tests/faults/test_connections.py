"""Connections that lead nowhere, break, or have gone stale while they rested."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from heliostat.outbox.models import Attempt, Callback
from heliostat.testing import Receiver, drain_outbox
from tests.example.models import Vehicle
from tests.faults.servers import OK, hook_to, notified_once, raw_server, read_request

pytestmark = pytest.mark.django_db(transaction=True)


def reset(connection: socket.socket) -> None:
    """Close rudely: closing with a linger time of 0 sends a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_a_black_hole_ends_when_the_time_to_connect_is_over_and_delays_nobody(
    receiver: Receiver, settings: Any
) -> None:
    settings.HELIOSTAT_CONNECT_TIMEOUT = 0.5
    with ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(3):  # its queue is full: who comes now is not even refused
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(hole.getsockname())
        lost = hook_to(f"http://127.0.0.1:{hole.getsockname()[1]}/")
        hook_to(receiver.url)
        Vehicle.objects.create(name="55")
        assert drain_outbox() == {"sent": 1, "retry": 1}
    attempt = Attempt.objects.get(callback__subscriber=lost.subscriber)
    assert "time" in attempt.error.lower()
    assert Attempt.objects.order_by("id")[0].outcome == "sent"


@pytest.mark.parametrize("how", [reset, socket.socket.close])
def test_a_connection_cut_after_the_request_is_tried_again_later(how: Any) -> None:
    with raw_server(how) as server:
        assert notified_once(server.url).outcome == "retry"
        assert server.connections == 1


def test_a_connection_cut_in_the_middle_of_the_request_is_tried_again_later() -> None:
    with raw_server(lambda _: None, before=reset) as server:
        hook_to(server.url)
        Vehicle.objects.create(name="x", plan={"notes": "y" * 3_000_000})
        assert drain_outbox() == {"retry": 1}


def test_a_connection_cut_in_the_middle_of_the_answer_is_tried_again_later() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12")
        reset(connection)

    with raw_server(serve) as server:
        assert notified_once(server.url).outcome == "retry"


def test_an_answer_before_the_request_was_read_counts(settings: Any) -> None:
    settings.HELIOSTAT_REQUEST_TIMEOUT = 5.0

    def hasty(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        server.over.wait(30)

    with raw_server(lambda _: None, before=hasty) as server:
        hook_to(server.url)
        Vehicle.objects.create(name="x", plan={"notes": "y" * 3_000_000})
        drain_outbox()
    assert Attempt.objects.get().status_code == 413


class Forgetful:
    """Answers the first request of each connection; what comes of the next ones, `then` says."""

    def __init__(self, then: Any) -> None:
        self.then = then
        self.heard: list[bytes] = []
        self.rests = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        self.heard.append(b"first")
        connection.sendall(OK)
        self.then(self, connection)


def hang_up_at_once(_: Forgetful, connection: socket.socket) -> None:
    connection.close()


def hang_up_at_the_next_request(self: Forgetful, connection: socket.socket) -> None:
    if read_request(connection):
        self.heard.append(b"lost")
        connection.close()


def reset_at_the_next_request(self: Forgetful, connection: socket.socket) -> None:
    if connection.recv(1):
        self.heard.append(b"lost")
        reset(connection)


@pytest.mark.parametrize("then", [hang_up_at_once, hang_up_at_the_next_request, reset_at_the_next_request])
def test_a_connection_that_has_gone_stale_costs_no_attempt(then: Any, settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1  # one after the other, over one connection
    forgetful = Forgetful(then)
    with raw_server(forgetful) as server:
        hook_to(server.url)
        for number in range(6):
            Vehicle.objects.create(name=str(number))
        assert drain_outbox() == {"sent": 6}
    assert set(Callback.objects.values_list("attempts", flat=True)) == {1}
    assert forgetful.heard.count(b"first") == 6


def test_an_answer_that_was_begun_on_a_kept_connection_is_not_asked_for_twice(settings: Any) -> None:
    """A receiver that has begun to answer has the request: only an attempt of its own may repeat that."""
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1

    def then(self: Forgetful, connection: socket.socket) -> None:
        if read_request(connection):
            self.heard.append(b"begun")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12")
            connection.close()

    forgetful = Forgetful(then)
    with raw_server(forgetful) as server:
        hook_to(server.url)
        for number in range(2):
            Vehicle.objects.create(name=str(number))
        assert drain_outbox() == {"sent": 1, "retry": 1}
    assert forgetful.heard == [b"first", b"begun"]


def test_receivers_that_break_every_connection_do_not_wear_out_the_worker(settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 20
    settings.HELIOSTAT_BREAKER_FAILURES = 1000  # else it would be left alone
    with raw_server(reset) as server:
        hook_to(server.url)
        for number in range(300):
            Vehicle.objects.create(name=str(number))
        assert drain_outbox() == {"retry": 300}
