"""Sending what waits in the outbox, here and now."""

from __future__ import annotations

from collections import Counter

from django.db import DEFAULT_DB_ALIAS

from heliostat.delivery.worker import Worker


def drain_outbox(using: str = DEFAULT_DB_ALIAS) -> Counter[str]:
    """Tell durable subscribers all that is due; returns how often each outcome came about."""
    return Worker(using).drain()
