"""System checks: databases that can keep the outbox's promises."""

from __future__ import annotations

from django.core.checks import CheckMessage, Warning
from django.db import connections

HINT = (
    "Give it OPTIONS = {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
    "'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;'}."
)


def check_sqlite(**_: object) -> list[CheckMessage]:
    """Unless it is IMMEDIATE, a transaction that reads before it writes fails at once while a worker writes."""
    return [
        Warning(
            f"The SQLite database {alias!r} does not begin transactions as IMMEDIATE.", hint=HINT, id="heliostat.W030"
        )
        for alias, options in connections.settings.items()
        if options["ENGINE"].endswith("sqlite3")
        and str(options.get("OPTIONS", {}).get("transaction_mode", "")).upper() not in ("IMMEDIATE", "EXCLUSIVE")
    ]
