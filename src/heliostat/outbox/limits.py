"""Limits of subscribers, counted over all workers: requests in flight, and a rate limiter.

The rate limiter is a bucket that holds a tenth of a second's worth, at least one request, and fills up by the clock.
What is in flight is counted where it is known for sure: in the rows.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from django.db import connections, transaction

from heliostat.outbox import transitions
from heliostat.outbox.dialect import BREAKER, Claimed, dialect_for
from heliostat.outbox.models import CircuitBreaker

BURST = 0.1  # seconds' worth of a rate that may be sent at once
SKEW = 60.0  # seconds by which the clocks of two machines may differ
SOON = 0.01  # seconds until a row that another worker has locked is worth a second look


class Limits(NamedTuple):
    """What a subscriber allows; None: no limit of its own."""

    max_concurrent: int | None = None
    max_per_second: float | None = None
    paused: bool = False


def claim_within(
    limits: Mapping[str, Limits], slots: Mapping[str, int], using: str, among: Sequence[int] = ()
) -> tuple[list[Claimed], float | None]:
    """Claim due callbacks, up to the free slots of each subscriber and as far as these limits allow.

    Also return in how many seconds more may be claimed; None where time alone changes nothing. A subscriber whose row
    another worker has locked, or whose circuit breaker opened meanwhile, has to wait.
    """
    now = time.time()
    allowed, waits = dict(slots), []
    with transaction.atomic(using=using):
        used_until = _lock(sorted(limits), using)
        is_counted = any(limit.max_concurrent is not None for limit in limits.values())
        in_flight = dialect_for(using).sending() if is_counted else Counter[str]()
        for name, limit in limits.items():
            if name not in used_until:
                allowed[name] = 0
                waits.append(SOON)
                continue
            if limit.max_concurrent is not None:
                allowed[name] = min(allowed[name], limit.max_concurrent - in_flight[name])
            if (rate := limit.max_per_second) and allowed[name] > 0:
                used_until[name] = _filled(used_until[name], rate, now)
                by_rate = int((now - used_until[name]) * rate + 1e-6)
                waits.append(used_until[name] + (by_rate + 1) / rate - now)
                allowed[name] = min(allowed[name], by_rate)
        claimed = transitions.claim({name: free for name, free in allowed.items() if free > 0}, using, among)
        for name, count in Counter(one.subscriber for one in claimed).items():
            if name in limits and (rate := limits[name].max_per_second):
                row = CircuitBreaker.objects.using(using).filter(pk=name)
                row.update(rate_used_until=used_until[name] + count / rate)
    return claimed, max(SOON, min(waits)) if waits else None


def _lock(names: list[str], using: str) -> dict[str, float]:
    """Lock the rows of these subscribers, and return until when each has used up its rate (seconds since 1970)."""
    dialect, rows = dialect_for(using), CircuitBreaker.objects.using(using)
    now, now_value = dialect.after(0)
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"SELECT subscriber, rate_used_until, CASE WHEN open_until > {now} THEN 1 ELSE 0 END FROM {BREAKER} "
            f"WHERE {dialect.among('subscriber', names)} ORDER BY subscriber {dialect.lock}",
            [now_value, *dialect.keys(names)],
        )
        found = cursor.fetchall()
    missing = sorted(set(names) - {name for name, _, _ in found})
    rows.bulk_create([CircuitBreaker(subscriber=name) for name in missing], ignore_conflicts=True)
    return {name: used_until for name, used_until, is_open in found if not is_open}


def _filled(used_until: float, rate: float, now: float) -> float:
    """Return from when on the bucket has filled up: a bucket that is full loses what is older.

    A time that is far ahead was written by a clock that was wrong: it must not stop everything until then.
    """
    full = now - max(BURST, 1 / rate)
    return max(used_until, full) if used_until < now + SKEW else full
