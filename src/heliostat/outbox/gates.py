"""Gates: whether anything may be sent to a subscriber now. They are rows, so that they hold for all workers.

    open ──failures in a row, or a pause asked for──▶ closed ──time──▶ half-open: one callback is let through to see
     ▲                                                   ▲                │   │
     └───────────────────── success ─────────────────────┼────────────────┘   │
                                                         └────── failure ─────┘  for longer each time

A callback that waits at a gate loses no attempt. A subscriber that is well and has no limits has no row here.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass

from django.db import connections, transaction
from django.utils import timezone

from heliostat.conf import conf
from heliostat.outbox.dialect import GATE, dialect_for
from heliostat.outbox.models import Gate
from heliostat.outbox.transitions import GIVE_UP, RETRY, SENT, Result


@dataclass(slots=True)
class Fared:
    """How a subscriber fared in one batch of results. `note()` takes them one by one, in order.

    `streak` counts those at the end that speak of a receiver in trouble; `pause` is for how many seconds it asked to be
    left alone. `was_well` says that something was sent, `is_failing` that the last one was not, or a pause asked for.
    """

    streak: int = 0
    pause: float = 0.0
    has_answered: bool = False
    was_well: bool = False
    is_failing: bool = False
    is_gone: bool = False

    def note(self, result: Result) -> None:
        self.streak = self.streak + 1 if result.receiver_down else 0
        self.has_answered |= not result.receiver_down
        self.was_well |= result.outcome == SENT
        self.is_gone |= result.subscriber_gone
        self.pause = max(self.pause, result.retry_after or 0.0)
        # What is cancelled says nothing of the receiver.
        self.is_failing = result.outcome in (RETRY, GIVE_UP) or self.pause > 0


def failed(subscriber: str, fared: Fared, using: str, *, probed: bool) -> None:
    """A subscriber failed: count it, and close its gate where that is due."""
    with transaction.atomic(using=using):
        gate = _locked(subscriber, using)
        now = timezone.now()
        if fared.was_well or gate.failing_since is None:
            gate.failing_since = now
        if fared.has_answered and (probed or not _was_asked_for(gate)):
            gate.failures = gate.closings = 0
            gate.closed_until = None
        gate.failures += fared.streak
        gate.save(using=using)
        is_open = gate.closed_until is None or gate.closed_until <= now
        if fared.pause or (fared.streak and (probed or (is_open and gate.failures >= conf.breaker_failures))):
            _close(gate, fared.pause, using)


def _was_asked_for(gate: Gate) -> bool:
    """Whether the gate is closed because the receiver asked for a pause: what was in flight then does not end it."""
    return gate.failures == 0 and gate.closed_until is not None and gate.closed_until > timezone.now()


def _locked(subscriber: str, using: str) -> Gate:
    rows = Gate.objects.using(using)
    if (gate := rows.select_for_update().filter(pk=subscriber).first()) is None:
        rows.bulk_create([Gate(subscriber=subscriber)], ignore_conflicts=True)
        gate = rows.select_for_update().get(pk=subscriber)
    return gate


def _close(gate: Gate, pause: float, using: str) -> None:
    """What a receiver asks for is obeyed; what is our own guess grows. Jitter keeps many from coming back at once."""
    longest = float(conf.breaker_longest)
    wait = min(longest, conf.breaker_first * 2.0 ** min(gate.closings, 50))
    jitter = random.uniform(0.8, 1.2)  # noqa: S311  spreads load; no secret
    if pause:
        wait, jitter = min(pause, conf.retry_longest), max(1.0, jitter)
    shut([gate.subscriber], wait * jitter, using)
    failures = 0 if pause else gate.failures
    Gate.objects.using(using).filter(pk=gate.pk).update(closings=gate.closings + 1, failures=failures)


def shut(subscribers: Collection[str], seconds: float, using: str) -> None:
    """Close these gates for so long."""
    dialect, names = dialect_for(using), list(subscribers)
    until, until_value = dialect.after(seconds)
    with connections[using].cursor() as cursor:
        cursor.execute(
            f"UPDATE {GATE} SET closed_until = {until} WHERE {dialect.among('subscriber', names)}",
            [until_value, *dialect.keys(names)],
        )


def open_up(subscribers: Collection[str], using: str) -> None:
    """Let all of their callbacks through, whatever happened before."""
    rows = Gate.objects.using(using).filter(pk__in=subscribers)
    rows.update(failures=0, closings=0, closed_until=None)


def succeeded(subscriber: str, using: str, *, probed: bool) -> None:
    """A subscriber is well: nothing is held against it. A pause that it asked for goes on, and so does its rate."""
    rows = Gate.objects.using(using).filter(pk=subscriber)
    if not probed:
        rows = rows.exclude(failures=0, closed_until__gt=timezone.now())
    rows.filter(spent_until=0).delete()
    rows.update(failing_since=None, failures=0, closings=0, closed_until=None)


def forget(subscribers: Collection[str], using: str) -> None:
    """Whatever was held against them is no more."""
    Gate.objects.using(using).filter(pk__in=subscribers).delete()


def half_open(using: str, subscribers: Collection[str] | None = None) -> None:
    """Let one callback through to see, now: to these subscribers, or to each whose gate is closed."""
    closed = Gate.objects.using(using).filter(closed_until__isnull=False)
    (closed if subscribers is None else closed.filter(pk__in=subscribers)).update(closed_until=None)


def states(subscribers: Collection[str], using: str) -> dict[str, str]:
    """The gates of these that are not simply open: "closed", "half-open" or "failing"."""
    return {gate.pk: gate.state for gate in Gate.objects.using(using).filter(pk__in=subscribers) if gate.state}
