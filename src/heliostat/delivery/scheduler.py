"""The scheduler of a worker: which subscribers get callbacks now, and how many.

Pauses, limits and circuit breakers hold for all workers; each kind of subscribers gives the limits, and learns which of
its subscribers fail and recover. Slow start is this worker's own: after a probe that succeeded, twice as many callbacks
are in flight with each batch of results.
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Mapping, Sequence
from math import inf

from django.db import IntegrityError, transaction

from heliostat.delivery import kinds
from heliostat.delivery.kinds import concurrency_of, kind_of
from heliostat.outbox import circuit_breaker, transitions
from heliostat.outbox.circuit_breaker import Outcomes
from heliostat.outbox.dialect import Claimed, dialect_for
from heliostat.outbox.limits import Limits, claim_within
from heliostat.outbox.transitions import SENT, Result

SUBSCRIBERS_AT_ONCE = 100
REFRESH = 0.5  # seconds between two looks at what subscribers allow
REFRESH_PAUSED = 0.05  # the same, while a subscriber that is paused has something due
NO_LIMITS = Limits()


class Scheduler:
    """What one worker knows of the limits and circuit breakers of subscribers: of all, or of `subscribers`.

    `claims_at` is when (on the monotonic clock) a limited rate allows another claim; infinite where none is used up.
    """

    def __init__(self, using: str, subscribers: Sequence[str] | None = None) -> None:
        self.claims_at = inf
        self._using = using
        self._subscribers = subscribers
        self._limits: ChainMap[str, Limits] = ChainMap()
        self._versions: list[int] | None = None
        self._refreshed_at = -inf
        self._after = ""
        self._half_open: set[str] = set()
        self._failing: set[str] = set()
        self._slow_start: dict[str, int] = {}

    def due(self) -> list[str]:
        """Return subscribers with due callbacks that may be sent; they take turns where they are many.

        Of a worker for chosen subscribers, those of them that may be sent something, whether or not anything is due.
        """
        self._refresh(REFRESH)
        if self._subscribers is not None:
            states = circuit_breaker.states(self._subscribers, self._using)
            return self._allowed({name: states.get(name, "") for name in self._subscribers})
        began = self._after
        while True:
            page = dialect_for(self._using).due_subscribers(self._after, SUBSCRIBERS_AT_ONCE)
            is_last = len(page) < SUBSCRIBERS_AT_ONCE
            self._after = "" if is_last else list(page)[-1]
            allowed = self._allowed(page)
            if allowed or (is_last and not began):
                return allowed
            began = "" if is_last else began  # once round, from the first one on

    def concurrency(self, subscriber: str) -> int:
        """Return how many of its callbacks may be in flight in this worker."""
        if subscriber in self._half_open:
            return 1
        return self._slow_start.get(subscriber) or concurrency_of(subscriber)

    def claim(self, slots: Mapping[str, int], among: Sequence[int] = ()) -> list[Claimed]:
        """Claim due callbacks up to these slots, as far as limits and circuit breakers allow; of these ids, if any."""
        limited = {name: self._limits.get(name, NO_LIMITS) for name in slots if name in self._limits}
        for name in self._half_open.intersection(slots):  # one in flight, over all workers
            limited[name] = limited.get(name, NO_LIMITS)._replace(max_concurrent=1)
        self.claims_at = inf
        if not limited:
            return transitions.claim(slots, self._using, among)
        claimed, wait = claim_within(limited, slots, self._using, among)
        if wait is not None:
            self.claims_at = time.monotonic() + wait
        return claimed

    def record(self, results: Sequence[Result]) -> dict[str, Outcomes]:
        """Record results, and what they say of their subscribers; return the outcomes of those that fail or recover.

        One transaction, so that a circuit breaker is open before its callbacks wait for another attempt.
        """
        if not results or not (self._failing or self._slow_start or any(one.outcome != SENT for one in results)):
            transitions.record_results(results, self._using)
            return {}
        try:
            with transaction.atomic(using=self._using):
                outcomes = self.learn(results)
                transitions.record_results(results, self._using)
        except IntegrityError:  # at the commit: one of the callbacks was deleted meanwhile
            transitions.record_results(results, self._using)
            outcomes = self.learn(results)
        return outcomes

    def learn(self, results: Sequence[Result]) -> dict[str, Outcomes]:
        """Open and close circuit breakers by results. Costs no statement while all are sent."""
        concerned = {one.claimed.subscriber for one in results if one.outcome != SENT}
        concerned |= self._failing | self._slow_start.keys()
        found: dict[str, Outcomes] = {}
        for result in results:
            if (name := result.claimed.subscriber) in concerned:
                found.setdefault(name, Outcomes()).add(result)
        recorded = {name: of for name, of in found.items() if of.is_failing or of.is_gone or name in self._failing}
        for name in sorted(found):  # so that two workers lock rows in one order
            outcomes = found[name]
            was_half_open = name in recorded and circuit_breaker.record(name, outcomes, self._using)
            full = concurrency_of(name)
            before = self._slow_start.pop(name, full)
            now = 2 if was_half_open else 2 * before  # many may wait, and it has just recovered: not all at once
            if not outcomes.is_failing and now < full:
                self._slow_start[name] = now
        return recorded

    def notify(self, outcomes: Mapping[str, Outcomes]) -> None:
        """Notify the kinds of subscribers that fail, have recovered or want no callbacks any more."""
        for name, found in outcomes.items():
            kind = kind_of(name)
            if found.is_failing:
                self._failing.add(name)
            elif found.has_success:
                self._failing.discard(name)
            if found.has_success and kind:
                kind.recovered(name)
            if found.is_failing and kind:
                kind.failing(name)
            if found.is_gone and kind:
                kind.gone(name)

    def _refresh(self, every: float) -> None:
        if (now := time.monotonic()) >= self._refreshed_at + every:
            self._refreshed_at = now
            versions = [kind.version() for kind in kinds.registered()]
            if versions != self._versions:
                self._limits = ChainMap(*(dict(kind.limits()) for kind in kinds.registered()))
                self._versions = versions

    def _allowed(self, states: Mapping[str, str]) -> list[str]:
        self._half_open = {name for name, state in states.items() if state == "half-open"}
        self._failing |= {name for name, state in states.items() if state}
        if any(self._limits.get(name, NO_LIMITS).paused for name in states):  # unless the pause has just ended
            self._refresh(REFRESH_PAUSED)
        return [
            name for name, state in states.items() if state != "open" and not self._limits.get(name, NO_LIMITS).paused
        ]
