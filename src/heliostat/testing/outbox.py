"""Sending what waits in the outbox, here and now."""

from __future__ import annotations

from collections import Counter

from heliostat.delivery.worker import Worker


def drain_outbox(using: str | None = None) -> Counter[str]:
    """Send all callbacks that are due; return how often each outcome came about."""
    return Worker(using).drain()
