"""What answers mean, what receivers do wrong, and that none of it harms the worker."""

from __future__ import annotations

import email.utils
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from heliostat.delivery.answers import details_of, outcome_of
from heliostat.outbox.models import Attempt, Callback
from heliostat.outbox.retry import wait_before_next
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "sent"), (204, "sent"), (299, "sent"), (301, "retry"), (400, "retry"), (404, "retry"), (410, "give_up"),
     (429, "retry"), (500, "retry"), (503, "retry"), (999, "retry")],
)  # fmt: skip
def test_a_status_means(status: int, outcome: str) -> None:
    assert outcome_of(status) == outcome


def test_details_name_the_status() -> None:
    assert details_of(503) == "503 Service Unavailable"
    assert details_of(999) == "999"


def test_waits_grow_with_jitter_up_to_a_bound(settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST, settings.HELIOSTAT_RETRY_FACTOR, settings.HELIOSTAT_RETRY_LONGEST = 10, 2, 100
    assert all(8 <= wait_before_next(1) <= 12 for _ in range(100))
    assert all(32 <= wait_before_next(3) <= 48 for _ in range(100))
    assert all(80 <= wait_before_next(attempt) <= 120 for attempt in (5, 50, 100_000))
    assert len({wait_before_next(1) for _ in range(100)}) > 90


def test_retry_after_slows_us_down_but_does_not_stop_us(settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST, settings.HELIOSTAT_RETRY_LONGEST = 10, 100
    assert wait_before_next(1, asked=50) == 50
    assert wait_before_next(1, asked=1) == 10
    assert wait_before_next(1, asked=1e9) == 100


pytestmark = pytest.mark.django_db(transaction=True)


def told_once(url: str) -> Attempt:
    """The attempt that comes of one event told to one hook."""
    Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=url)
    Vehicle.objects.create(name="55")
    drain_outbox()
    return Attempt.objects.get()


@contextmanager
def raw_server(answer: bytes, then_wait: float = 0.0) -> Iterator[str]:
    """A server that answers every connection with these bytes, whatever it was asked."""
    listening = socket.create_server(("127.0.0.1", 0))
    done = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                with suppress(OSError):
                    connection.sendall(answer)
                done.wait(then_wait)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        done.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def test_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        attempt = told_once(f"http://127.0.0.1:{unused.getsockname()[1]}/")
    assert attempt.outcome == "retry"
    assert "connect" in attempt.error.lower()


def test_a_name_that_does_not_exist() -> None:
    assert told_once("http://nowhere.invalid/").outcome == "retry"


def test_an_answer_that_never_comes_ends_at_the_deadline(settings: Any) -> None:
    settings.HELIOSTAT_REQUEST_TIMEOUT = 0.5
    with raw_server(b"", then_wait=10) as url:
        attempt = told_once(url)
    assert attempt.outcome == "retry"
    assert 400 < attempt.duration_ms < 2000


def test_a_body_that_drips_ends_at_the_deadline(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_REQUEST_TIMEOUT = 0.5
    receiver.answers = [Answer(200, body=b"x" * 100, drip=0.1)]
    assert told_once(receiver.url).outcome == "retry"


def test_a_body_without_end_is_cut_off_and_counts_by_its_status(settings: Any) -> None:
    settings.HELIOSTAT_RESPONSE_LIMIT = 10_000
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 200_000
    with raw_server(endless, then_wait=5) as url:
        attempt = told_once(url)
    assert attempt.outcome == "sent"
    assert len(attempt.response) == 1024


def test_headers_without_end_are_an_error() -> None:
    with raw_server(b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 1000 + b"\r\n" + b"X: y\r\n" * 30_000) as url:
        assert told_once(url).outcome == "retry"


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", "sent"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "sent"),
        (b"HTTP/1.1 999 Whatever\r\nContent-Length: 0\r\n\r\n", "retry"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", "retry"),
        (b"not http at all\r\n\r\n", "retry"),
        (b"\x00\xff\xfe\r\n\r\n", "retry"),
        (b"", "retry"),
    ],
)
def test_strange_answers(answer: bytes, outcome: str) -> None:
    with raw_server(answer) as url:
        assert told_once(url).outcome == outcome


def test_a_body_that_is_no_text_is_kept_readable(receiver: Receiver) -> None:
    receiver.answers = [Answer(500, body=b"a\x00b\xff\xfec")]
    assert told_once(receiver.url).response == "a\ufffdb\ufffd\ufffdc"


def test_a_compressed_answer_is_not_unpacked(receiver: Receiver) -> None:
    import gzip

    bomb = gzip.compress(b"\0" * 10_000_000)
    receiver.answers = [Answer(200, {"Content-Encoding": "gzip"}, body=bomb)]
    attempt = told_once(receiver.url)
    assert attempt.outcome == "sent"
    assert len(attempt.response) <= 1024


def test_a_reset_after_the_request_is_tried_again(receiver: Receiver) -> None:
    receiver.answers = [Answer(reset=True)]
    assert told_once(receiver.url).outcome == "retry"


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        ("600", 590, 610),
        # A name of its own: two processes that collect the tests must agree on it.
        pytest.param(email.utils.formatdate(time.time() + 600, usegmt=True), 400, 610, id="a date"),
        ("99999999999999999999", 5, 1000),
        ("-5", 0, 10),
        ("rubbish", 0, 10),
        ("", 0, 10),
    ],
)
def test_retry_after_is_obeyed_within_bounds_whatever_it_says(
    receiver: Receiver, settings: Any, value: str, least: float, most: float
) -> None:
    settings.HELIOSTAT_RETRY_LONGEST = 1000
    receiver.answers = [Answer(503, {"Retry-After": value})]
    assert told_once(receiver.url).outcome == "retry"
    wait = Callback.objects.get().due_at - timezone.now()
    assert least - 5 <= wait.total_seconds() <= most


def test_a_hook_deleted_or_disabled_in_flight_is_cancelled_with_the_reason(receiver: Receiver) -> None:
    model = ContentType.objects.get_for_model(Vehicle)
    deleted, disabled = (Hook.objects.create(model=model, target=receiver.url) for _ in range(2))
    Vehicle.objects.create(name="55")
    deleted.delete()
    disabled.enabled = False
    disabled.save()
    assert drain_outbox() == {"cancel": 2}
    assert receiver.deliveries == []
    details = Callback.objects.values_list("status", "status_details")
    assert set(details) == {("cancelled", "the hook was deleted"), ("cancelled", "the hook is disabled")}


def test_a_changed_address_and_secret_count_from_the_next_attempt(receiver: Receiver) -> None:
    from heliostat.delivery.signing import new_secret

    hook = Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target="http://127.0.0.1:9/")
    Vehicle.objects.create(name="55")
    secret = new_secret()
    hook.target_url = receiver.url
    hook.set_secret(secret)
    hook.save()
    receiver.secrets = [secret]
    drain_outbox()
    assert receiver.deliveries[0].verified
