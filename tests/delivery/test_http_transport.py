"""The HTTP thread: started and stopped with each worker."""

from __future__ import annotations

import time
from typing import Any

import pytest

from heliostat.delivery.http import HttpTransport
from heliostat.testing import Answer, Receiver, drain_outbox
from tests.delivery.working import hook_to, vehicles


def test_a_thread_that_ends_before_it_is_woken_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = HttpTransport(lambda _: None)
    wake = transport._wake

    def wake_late() -> None:
        transport._thread.join(30)
        wake()

    monkeypatch.setattr(transport, "_wake", wake_late)
    transport.stop()


@pytest.mark.django_db(transaction=True)
def test_a_new_connection_with_the_descriptor_of_a_closed_one_is_watched(receiver: Receiver, settings: Any) -> None:
    """One that was refused was watched for the same event, and epoll had forgotten its descriptor by itself."""
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1
    settings.HELIOSTAT_RETRY_FIRST = 0
    settings.HELIOSTAT_MAX_ATTEMPTS = settings.HELIOSTAT_BREAKER_FAILURES = 20
    receiver.answers = lambda _: Answer(headers={"Connection": "close"}, delay=0.01)
    with Receiver() as dead:
        hook_to(dead)
    hook_to(receiver)
    vehicles(20)
    began = time.monotonic()
    assert drain_outbox()["sent"] == 20
    assert time.monotonic() - began < 10
