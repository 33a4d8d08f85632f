"""A subscriber of everything in each phase. They do nothing but count."""

from __future__ import annotations

from collections import Counter
from typing import Any

from heliostat import on

published: Counter[str] = Counter()
"""How many events reached the subscriber of each phase, so that a run in which nothing was captured shows."""

types: Counter[str] = Counter()
"""How many events of each type there were."""


@on("*.*", when="in_transaction")
def in_transaction(_: Any) -> None:
    published["in_transaction"] += 1


@on("*.*", when="after_commit")
def after_commit(_: Any) -> None:
    published["after_commit"] += 1


def count(event: Any) -> bool:
    published["durable"] += 1
    types[event.type] += 1
    return True


@on("*.*", when="durable", condition=count)
def durable(_: Any) -> None:
    """Never called: no worker runs. The rows of the outbox are written."""
