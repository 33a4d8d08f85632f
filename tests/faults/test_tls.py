"""Certificates that are expired, for another host or by nobody; handshakes that stall or are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from heliostat.outbox.models import Attempt
from heliostat.testing import Receiver, drain_outbox
from tests.example.models import Vehicle
from tests.faults.certificates import Authority
from tests.faults.servers import OK, RawServer, hook_to, notified_once, raw_server, read_request, saying
from tests.faults.steering import steered_names

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: Any) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def trusted(authority: Authority, settings: Any) -> None:
    settings.HELIOSTAT_CA_FILE = str(authority.root)


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    with steered_names() as steering:
        steering.lead("tom.example", "127.0.0.1")
        yield


def url_of(server: RawServer) -> str:
    return f"https://tom.example:{server.port}/"


def test_a_receiver_that_is_who_it_says_is_notified(authority: Authority) -> None:
    with raw_server(saying(OK), tls=authority.issue("tom.example")) as server:
        assert notified_once(url_of(server)).outcome == "sent"


def test_a_connection_is_kept_and_shakes_hands_once(authority: Authority, settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1

    def serve(connection: Any) -> None:
        connection.sendall(OK)
        while read_request(connection):
            connection.sendall(OK)

    with raw_server(serve, tls=authority.issue("tom.example")) as server:
        hook_to(url_of(server))
        for number in range(5):
            Vehicle.objects.create(name=str(number))
        assert drain_outbox() == {"sent": 5}
        assert server.connections == 1


@pytest.mark.parametrize(
    ("host", "days", "error"),
    [("tom.example", -1, "expired"), ("other.example", 1, "no alternative certificate subject name")],
)
def test_a_certificate_that_proves_nothing_is_refused(authority: Authority, host: str, days: float, error: str) -> None:
    heard: list[Any] = []
    with raw_server(heard.append, tls=authority.issue(host, days)) as server:
        attempt = notified_once(url_of(server))
    assert attempt.outcome == "retry"
    assert error in attempt.error
    assert heard == [], "nothing was sent to that server"


def test_a_certificate_of_an_authority_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with raw_server(saying(OK), tls=Authority(tmp_path).issue("tom.example")) as server:
        attempt = notified_once(url_of(server))
    assert attempt.outcome == "retry"
    assert "certificate" in attempt.error


def test_the_system_s_authorities_are_asked_where_no_file_is_given(authority: Authority, settings: Any) -> None:
    settings.HELIOSTAT_CA_FILE = ""
    with raw_server(saying(OK), tls=authority.issue("tom.example")) as server:
        assert "unable to get local issuer certificate" in notified_once(url_of(server)).error


def test_a_handshake_that_stalls_ends_in_time_and_delays_nobody(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_CONNECT_TIMEOUT = 0.5
    heard: list[bytes] = []
    with raw_server(
        lambda _: None, before=lambda connection: heard.append(connection.recv(1)) or server.over.wait(30)
    ) as server:
        hook_to(url_of(server))
        quick = hook_to(receiver.url)
        Vehicle.objects.create(name="55")
        assert drain_outbox() == {"sent": 1, "retry": 1}
    assert heard == [b"\x16"], "it began to shake hands"
    assert Attempt.objects.get(callback__subscriber=quick.subscriber).outcome == "sent"
    stalled = Attempt.objects.exclude(callback__subscriber=quick.subscriber).get()
    assert "timed out" in stalled.error.lower() or "timeout" in stalled.error.lower()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x28", b""])
def test_a_receiver_that_speaks_no_tls_is_tried_again_later(answer: bytes) -> None:
    def greet(connection: Any) -> None:
        connection.recv(65536)
        connection.sendall(answer)
        connection.close()

    with raw_server(lambda _: None, before=greet) as server:
        attempt = notified_once(url_of(server))
    assert attempt.outcome == "retry"
    assert attempt.status_code is None


def test_a_receiver_that_speaks_tls_is_not_understood_without(authority: Authority) -> None:
    with raw_server(saying(OK), tls=authority.issue("tom.example")) as server:
        assert notified_once(f"http://tom.example:{server.port}/").outcome == "retry"
