"""Circuit breakers: whether callbacks are sent to a subscriber now. They are rows, so that they hold for all workers.

    closed ──failures in a row, or Retry-After──▶ open ──time──▶ half-open: one callback is sent as a probe
      ▲                                            ▲                │   │
      └───────────────── success ──────────────────┼────────────────┘   │
                                                   └────── failure ─────┘  for longer each time

A callback that waits for a circuit breaker loses no attempt. A subscriber without failures and limits has no row.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from django.db import connections, transaction
from django.utils import timezone

from heliostat.conf import conf
from heliostat.outbox.dialect import BREAKER, dialect_for
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


def record_failure(subscriber: str, outcomes: Outcomes, using: str, *, probed: bool) -> None:
    """Count the failures of a subscriber, and open its circuit breaker where that is due. `probed`: one was a probe."""
    with transaction.atomic(using=using):
        breaker, now = _locked(subscriber, using), timezone.now()
        is_open = breaker.open_until is not None and breaker.open_until > now
        is_pause = is_open and breaker.failures == 0  # asked for by the receiver: what was in flight does not end it
        if outcomes.has_success or breaker.failing_since is None:
            breaker.failing_since = now
        if outcomes.has_answered and (probed or not is_pause):
            breaker.failures = breaker.openings = 0
            breaker.open_until, is_open = None, False
        breaker.failures += outcomes.failures
        breaker.save(using=using)
        is_due = probed or (not is_open and breaker.failures >= conf.breaker_failures)
        if outcomes.pause or (outcomes.failures and is_due):
            _open(breaker, outcomes.pause, using)


def _locked(subscriber: str, using: str) -> CircuitBreaker:
    rows = CircuitBreaker.objects.using(using)
    if (breaker := rows.select_for_update().filter(pk=subscriber).first()) is None:
        rows.bulk_create([CircuitBreaker(subscriber=subscriber)], ignore_conflicts=True)
        breaker = rows.select_for_update().get(pk=subscriber)
    return breaker


def _open(breaker: CircuitBreaker, pause: float, using: str) -> None:
    """Open it for as long as the receiver asked, else for longer each time. Jitter spreads the probes of many."""
    wait = min(float(conf.breaker_longest), conf.breaker_first * 2.0 ** min(breaker.openings, 50))
    jitter = random.uniform(0.8, 1.2)  # noqa: S311  spreads load; no secret
    if pause:
        wait, jitter = min(pause, conf.retry_longest), max(1.0, jitter)
    open_for([breaker.subscriber], wait * jitter, using)
    failures = 0 if pause else breaker.failures
    rows = CircuitBreaker.objects.using(using).filter(pk=breaker.pk)
    rows.update(openings=breaker.openings + 1, failures=failures)


def open_for(subscribers: Collection[str], seconds: float, using: str) -> None:
    """Open the circuit breakers of these subscribers for so long."""
    dialect, names = dialect_for(using), list(subscribers)
    until, until_value = dialect.after(seconds)
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"UPDATE {BREAKER} SET open_until = {until} WHERE {dialect.among('subscriber', names)}",
            [until_value, *dialect.keys(names)],
        )


def close(subscribers: Collection[str], using: str) -> None:
    """Close the circuit breakers of these subscribers, whatever happened before."""
    rows = CircuitBreaker.objects.using(using).filter(pk__in=subscribers)
    rows.update(failures=0, openings=0, open_until=None)


def record_success(subscriber: str, using: str, *, probed: bool) -> None:
    """Close the circuit breaker of a subscriber, and remove it where no rate needs it.

    A pause that the receiver asked for goes on, unless a probe succeeded.
    """
    rows = CircuitBreaker.objects.using(using).filter(pk=subscriber)
    if not probed:
        rows = rows.exclude(failures=0, open_until__gt=timezone.now())
    rows.filter(spent_until=0).delete()
    rows.update(failing_since=None, failures=0, openings=0, open_until=None)


def reset(subscribers: Collection[str], using: str) -> None:
    """Remove the circuit breakers of these subscribers, with all that was counted."""
    CircuitBreaker.objects.using(using).filter(pk__in=subscribers).delete()


def half_open(using: str, subscribers: Collection[str] | None = None) -> None:
    """End the open time now, so that one probe is sent: to these subscribers, or to all."""
    opened = CircuitBreaker.objects.using(using).filter(open_until__isnull=False)
    (opened if subscribers is None else opened.filter(pk__in=subscribers)).update(open_until=None)


def states(subscribers: Collection[str], using: str) -> dict[str, str]:
    """Return the states of those circuit breakers that are not simply closed: "open", "half-open" or "failing"."""
    found = CircuitBreaker.objects.using(using).filter(pk__in=subscribers)
    return {breaker.pk: breaker.state for breaker in found if breaker.state}
