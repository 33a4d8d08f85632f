"""The HTTP thread: started and stopped with each worker."""

from __future__ import annotations

import pytest

from heliostat.delivery.http import HttpTransport


def test_a_thread_that_ends_before_it_is_woken_ends_well(monkeypatch: pytest.MonkeyPatch) -> None:
    transport = HttpTransport()
    transport.start(lambda _: None)
    wake = transport._wake

    def wake_late() -> None:
        transport._thread.join(30)
        wake()

    monkeypatch.setattr(transport, "_wake", wake_late)
    transport.stop()
