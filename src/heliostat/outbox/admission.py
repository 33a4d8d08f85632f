"""Admission: how many callbacks of a limited subscriber may be claimed now, counted over all workers.

A rate is a bucket that holds a tenth of a second's worth, at least one request, and fills up by the clock. What is in
flight is counted where it is known for sure: in the rows.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db import connections

from heliostat.conf import conf
from heliostat.outbox import breakers
from heliostat.outbox.dialect import BREAKER, Claimed, dialect_for
from heliostat.outbox.models import CircuitBreaker

BURST = 0.1  # seconds' worth of a rate that may be sent at once
SKEW = 60.0  # seconds by which the clocks of two machines may differ
SOON = 0.01  # seconds until a row that another worker has locked is worth a second look


class Limits(NamedTuple):
    """What a subscriber allows; None: no limit of its own. `probe`: one callback, to see whether it is well again."""

    max_concurrent: int | None = None
    max_per_second: float | None = None
    paused: bool = False
    probe: bool = False


class Admission:
    """One look at the circuit breakers of limited subscribers, in a transaction: they stay locked until it ends.

    One that another worker has locked, or that opened meanwhile, lets nothing through. `wait` is in how many seconds
    more may be let through; None: that is not a matter of time.
    """

    def __init__(self, limits: Mapping[str, Limits], using: str) -> None:
        self._limits = limits
        self._using = using
        self._now = time.time()
        self._spent = self._lock()
        is_counted = any(limit.max_concurrent is not None for limit in limits.values())
        self._in_flight = dialect_for(using).sending() if is_counted else Counter[str]()
        self.wait: float | None = None

    def admit(self, slots: Mapping[str, int]) -> dict[str, int]:
        """So many of these slots may be claimed."""
        admitted = {name: self._admit(name, free) if name in self._limits else free for name, free in slots.items()}
        return {name: free for name, free in admitted.items() if free > 0}

    def charge(self, claimed: Iterable[Claimed]) -> None:
        """So many were claimed indeed. A probe opens the circuit breaker behind it, for as long as it may take."""
        counts = Counter(one.subscriber for one in claimed)
        for name in counts.keys() & self._limits.keys():
            if rate := self._limits[name].max_per_second:
                spent = self._filled(name, rate) + counts[name] / rate
                CircuitBreaker.objects.using(self._using).filter(pk=name).update(spent_until=spent)
        if probes := [name for name in counts if name in self._limits and self._limits[name].probe]:
            breakers.open_for(probes, float(conf.lease), self._using)

    def _lock(self) -> dict[str, float]:
        dialect, names = dialect_for(self._using), sorted(self._limits)
        now, now_value = dialect.after(0)
        with connections[self._using].cursor() as cursor:
            cursor.execute(
                f"SELECT subscriber, spent_until, CASE WHEN open_until > {now} THEN 1 ELSE 0 END FROM {BREAKER} "
                f"WHERE {dialect.among('subscriber', names)} ORDER BY subscriber {dialect.lock}",
                [now_value, *dialect.keys(names)],
            )
            rows = cursor.fetchall()
        missing = self._limits.keys() - {name for name, _, _ in rows}
        CircuitBreaker.objects.using(self._using).bulk_create(
            [CircuitBreaker(subscriber=one) for one in missing], ignore_conflicts=True
        )
        return {name: spent for name, spent, is_open in rows if not is_open}

    def _admit(self, name: str, free: int) -> int:
        limit = self._limits[name]
        if name not in self._spent:
            self._look_again(SOON)
            return 0
        if limit.probe:
            free = 1
        if limit.max_concurrent is not None:
            free = min(free, limit.max_concurrent - self._in_flight[name])
        if limit.max_per_second and free > 0:
            free = min(free, self._by_rate(name, limit.max_per_second))
        return free

    def _by_rate(self, name: str, rate: float) -> int:
        filled = self._filled(name, rate)
        allowed = int((self._now - filled) * rate + 1e-6)
        self._look_again(filled + (allowed + 1) / rate - self._now)
        return allowed

    def _filled(self, name: str, rate: float) -> float:
        """The time up to which the rate is used up; a bucket that is full loses what is older.

        A time that is far ahead was written by a clock that was wrong: it must not stop everything until then.
        """
        full = self._now - max(BURST, 1 / rate)
        return max(self._spent[name], full) if self._spent[name] < self._now + SKEW else full

    def _look_again(self, wait: float) -> None:
        self.wait = max(SOON, wait if self.wait is None else min(self.wait, wait))
