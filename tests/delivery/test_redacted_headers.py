"""What is kept of an answer's headers."""

from __future__ import annotations

from typing import Any

import pytest

from heliostat.outbox.models import Attempt
from heliostat.redaction import redacted_headers
from heliostat.testing import Answer, Receiver, drain_outbox
from tests.delivery.working import hook_to, vehicles


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_an_attempt_keeps_the_headers_of_the_answer_without_its_secrets(using: str, receiver: Receiver) -> None:
    headers = {"X-Request-Id": "7f3a", "Set-Cookie": "session=s3cret", "X-Api-Key": "s3cret", "Retry-After": "5"}
    receiver.answers = [Answer(503, headers)]
    hook_to(receiver)
    vehicles(1, using)
    drain_outbox(using)
    lines = Attempt.objects.using(using).get().response_headers.split("\n")
    assert {"X-Request-Id: 7f3a", "Retry-After: 5", "Set-Cookie: (not kept)", "X-Api-Key: (not kept)"} <= set(lines)


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize(("limit", "length"), [(40, 40), (0, 0)])
def test_no_more_is_kept_than_the_setting_says(receiver: Receiver, settings: Any, limit: int, length: int) -> None:
    settings.HELIOSTAT_RESPONSE_HEADERS = limit
    receiver.answers = [Answer(200, {"X-Long": "x" * 5000})]
    hook_to(receiver)
    vehicles(1)
    drain_outbox()
    assert len(Attempt.objects.get().response_headers) == length


def test_of_several_answers_the_last_one_counts() -> None:
    lines = [b"HTTP/1.1 103 Early Hints\r\n", b"Link: </a>\r\n", b"\r\n", b"HTTP/1.1 200 OK\r\n", b"A: b\r\n", b"\r\n"]
    assert redacted_headers(b"".join(lines), 1000) == "A: b"


def test_a_secret_that_goes_on_in_the_next_line_is_masked_as_a_whole() -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=\r\n\ts3cret\r\nB: c\r\n"
    assert redacted_headers(head, 1000) == "Set-Cookie: (not kept)\nB: c"


def test_bytes_that_are_no_text_are_kept_as_what_they_look_like() -> None:
    head = b"HTTP/1.1 200 OK\r\nX-Odd: \xff\x00\r\n"
    assert redacted_headers(head, 1000) == "X-Odd: \N{REPLACEMENT CHARACTER}\x00"
