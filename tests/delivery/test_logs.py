"""What the worker writes into the log: each outcome, findable, without anybody's secrets."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from heliostat.delivery.request import Destination
from heliostat.logs import JsonFormatter
from heliostat.outbox.models import Callback
from heliostat.testing import Answer, Receiver, drain_outbox
from tests.delivery.commands import run
from tests.delivery.working import hook_to, vehicles


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What `heliostat.delivery` writes, as JSON."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("heliostat.delivery")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    logger = logging.getLogger("heliostat")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = before[0], before[1]
    logger.setLevel(before[2])


def read(lines: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_each_outcome_is_a_line_with_all_that_it_can_be_found_by(
    receiver: Receiver, lines: io.StringIO, settings: Any
) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0
    receiver.answers = [Answer(503, body=b"body of the answer"), 200]
    hook = hook_to(receiver, headers="Authorization: s3cret")
    vehicles(1)
    drain_outbox()
    failed, sent = read(lines)
    callback = Callback.objects.get()
    keys = ("level", "outcome", "status_code", "attempt")
    assert [failed[key] for key in keys] == ["warning", "retry", 503, 1]
    assert [sent[key] for key in keys] == ["info", "sent", 200, 2]
    assert sent["event_id"] == str(callback.event_id)
    assert (sent["callback_id"], sent["subscriber"]) == (callback.pk, hook.subscriber)
    assert sent["duration_ms"] >= 0
    assert sent["message"] == f"{hook.subscriber} sent: 200 OK"
    for secret in ("s3cret", "body of the answer", "whsec_", "example.vehicle"):
        assert secret not in lines.getvalue()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_giving_up_is_an_error(receiver: Receiver, lines: io.StringIO, settings: Any) -> None:
    settings.HELIOSTAT_MAX_ATTEMPTS = 1
    receiver.answers = [500]
    hook_to(receiver)
    vehicles(1)
    drain_outbox()
    (line,) = read(lines)
    assert (line["level"], line["outcome"]) == ("error", "give_up")


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.usefixtures("logging_as_before")
def test_a_worker_logs_as_json_on_request(receiver: Receiver, capsys: Any) -> None:
    hook_to(receiver)
    vehicles(1)
    run("worker", "--batch", "--log-json")
    notified = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert "sent" in [line.get("outcome") for line in notified]


def test_an_exception_is_part_of_its_line_and_objects_are_left_out() -> None:
    stream = io.StringIO()
    logger = logging.Logger("heliostat.example")
    logger.addHandler(logging.StreamHandler(stream))
    logger.handlers[0].setFormatter(JsonFormatter())
    try:
        raise ValueError("no\nsuch thing: \ud800")
    except ValueError:
        logger.exception("it failed: %s", "é\n", extra={"request": object(), "hook": 7})
    (line,) = read(stream)
    assert line["message"] == "it failed: é\n"
    assert "ValueError: no\nsuch thing" in line["exception"]
    assert line["hook"] == 7
    assert "request" not in line


def test_where_a_callback_goes_is_shown_without_what_may_be_secret() -> None:
    """Reports of errors show what they come by."""
    there = Destination("https://receiver.example.com/s3cret", header_lines=("Authorization: Bearer s3cret",))
    assert "s3cret" not in repr(there)
