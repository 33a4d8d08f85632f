"""Send the callbacks of the outbox in a test."""

from __future__ import annotations

from collections import Counter

from heliostat.delivery.worker import Worker


def drain_outbox(using: str | None = None) -> Counter[str]:
    """Send all callbacks that are due. Return the number of each outcome."""
    return Worker(using).drain()
