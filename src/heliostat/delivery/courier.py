"""Sending a few callbacks here and now: what a deliverer does that does not leave it to the worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from heliostat.delivery.worker import Worker
from heliostat.outbox.summary import subscribers_of


def send(callbacks: Sequence[int], using: str) -> Counter[str]:
    """Tell those of these callbacks that are due and not being told already; gives how often each outcome came about.

    Returns when they are told, each once; what failed waits for its next attempt. Raises `DatabaseError` where the
    database is away.
    """
    subscribers = subscribers_of(list(callbacks), using)
    return Worker(using, subscribers=subscribers, callbacks=callbacks).drain() if subscribers else Counter()
