"""Circuit breakers: whether callbacks are sent to a subscriber now. They are rows, so that they hold for all workers.

    closed ──failures in a row, or Retry-After──▶ open ──time──▶ half-open: one callback in flight, as a probe
      ▲                                            ▲                │   │
      └───────────────── success ──────────────────┼────────────────┘   │
                                                   └────── failure ─────┘  for longer each time

A callback that waits for a circuit breaker loses no attempt. A subscriber without failures and limits has no row.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from heliostat.conf import conf
from heliostat.outbox.dialect import moment
from heliostat.outbox.models import CircuitBreaker
from heliostat.outbox.transitions import GIVE_UP, RETRY, SENT, Result


@dataclass(slots=True)
class Outcomes:
    """The outcomes of one subscriber's callbacks in one batch of results. `add()` takes them one by one, in order.

    `failures` counts those at the end that speak of a receiver in trouble; `pause` is the `Retry-After` in seconds.
    `has_success` says that something was sent, `is_failing` that the last one was not, or a pause was asked for.
    """

    failures: int = 0
    pause: float = 0.0
    has_answered: bool = False
    has_success: bool = False
    is_failing: bool = False
    is_gone: bool = False

    def add(self, result: Result) -> None:
        self.failures = self.failures + 1 if result.receiver_down else 0
        self.has_answered |= not result.receiver_down
        self.has_success |= result.outcome == SENT
        self.is_gone |= result.subscriber_gone
        self.pause = max(self.pause, result.retry_after or 0.0)
        # What is cancelled says nothing of the receiver.
        self.is_failing = result.outcome in (RETRY, GIVE_UP) or self.pause > 0


def record(subscriber: str, outcomes: Outcomes, using: str) -> bool:
    """Open or close the circuit breaker of a subscriber by these outcomes. Return whether it was half-open.

    A pause that the receiver asked for goes on, whatever becomes of requests that were in flight when it began.
    """
    rows = CircuitBreaker.objects.using(using)
    with transaction.atomic(using=using):
        locked = rows.select_for_update().annotate(is_open=Q(open_until__gt=moment(using))).filter(pk=subscriber)
        if (breaker := locked.first()) is None:
            rows.bulk_create([CircuitBreaker(subscriber=subscriber)], ignore_conflicts=True)
            breaker = locked.get()
        is_open = bool(breaker.is_open)
        is_half_open = not is_open and breaker.openings > 0
        is_pause = is_open and breaker.failures == 0
        if outcomes.has_answered and not is_pause:
            breaker.failures = breaker.openings = 0
            breaker.open_until, is_open = None, False
        breaker.failures += outcomes.failures
        if outcomes.has_success:
            breaker.failing_since = None
        if outcomes.is_failing:
            breaker.failing_since = breaker.failing_since or timezone.now()
        is_due = is_half_open or (not is_open and breaker.failures >= conf.breaker_failures)
        if outcomes.pause or (outcomes.failures and is_due):
            _open(breaker, outcomes.pause, using)
        if breaker.openings or breaker.failures or breaker.failing_since or breaker.rate_used_until:
            breaker.save(using=using)
        else:
            breaker.delete(using=using)
    return is_half_open


def _open(breaker: CircuitBreaker, pause: float, using: str) -> None:
    """Open it for as long as the receiver asked, else for longer each time. Jitter spreads the probes of many."""
    wait = min(float(conf.breaker_longest), conf.breaker_first * 2.0 ** min(breaker.openings, 50))
    jitter = random.uniform(0.8, 1.2)  # noqa: S311  spreads load; no secret
    if pause:
        wait, jitter = min(pause, conf.retry_longest), max(1.0, jitter)
        breaker.failures = 0
    breaker.open_until = moment(using, wait * jitter)
    breaker.openings += 1


def half_open(using: str, subscribers: Collection[str] | None = None) -> None:
    """End the open time now, so that one probe is sent: to these subscribers, or to all."""
    opened = CircuitBreaker.objects.using(using).filter(open_until__isnull=False)
    (opened if subscribers is None else opened.filter(pk__in=subscribers)).update(open_until=None)


def reset(subscribers: Collection[str], using: str) -> None:
    """Remove the circuit breakers of these subscribers, with all that was counted."""
    CircuitBreaker.objects.using(using).filter(pk__in=subscribers).delete()


def states(subscribers: Collection[str], using: str) -> dict[str, str]:
    """Return the states of those circuit breakers that are not simply closed: "open", "half-open" or "failing"."""
    found = CircuitBreaker.objects.using(using).filter(pk__in=subscribers)
    return {breaker.pk: breaker.state for breaker in found if breaker.state}
