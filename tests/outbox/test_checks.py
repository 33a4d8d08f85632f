"""A database that cannot keep an outbox well is named at the start."""

from __future__ import annotations

from django.core.checks import run_checks
from django.db import connections


def test_sqlite_without_immediate_transactions_is_a_warning(monkeypatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "OPTIONS", {})
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.W030"
    assert "IMMEDIATE" in message.hint
