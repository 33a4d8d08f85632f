"""Which subscribers get callbacks now, and how many: pauses, limits, circuit breakers, slow start.

Each kind of subscribers gives their limits, and learns when they fail and recover; the worker asks a `Throttle`.
"""

from __future__ import annotations

import time
from collections import ChainMap
from collections.abc import Mapping, Sequence
from math import inf

from django.db import transaction

from heliostat.conf import conf
from heliostat.delivery import kinds
from heliostat.delivery.kinds import kind_of
from heliostat.outbox import breakers, transitions
from heliostat.outbox.admission import Admission, Limits
from heliostat.outbox.breakers import Outcomes
from heliostat.outbox.dialect import Claimed, dialect_for
from heliostat.outbox.transitions import SENT, Result

SUBSCRIBERS_AT_ONCE = 100
LOOK = 0.5  # seconds between looks at what subscribers allow
LOOK_AT_PAUSED = 0.05  # the same, while somebody paused has something due
NO_LIMITS = Limits()


class Throttle:
    """What one worker knows of limits and circuit breakers.

    `opens_at` is when (on the monotonic clock) more of what is due may be told; infinite, where time alone changes
    nothing.
    """

    def __init__(self, using: str) -> None:
        self.opens_at = inf
        self._using = using
        self._limits: ChainMap[str, Limits] = ChainMap()
        self._versions: list[int] | None = None
        self._looked_at = -inf
        self._after = ""
        self._half_open: set[str] = set()
        self._failing: set[str] = set()
        self._probing: set[str] = set()
        self._warming: dict[str, int] = {}

    def due(self) -> list[str]:
        """Subscribers with something due that may be told; they take turns where they are many."""
        self._look(LOOK)
        began = self._after
        while True:
            page = dialect_for(self._using).due_subscribers(self._after, SUBSCRIBERS_AT_ONCE)
            is_last = len(page) < SUBSCRIBERS_AT_ONCE
            self._after = "" if is_last else list(page)[-1]
            allowed = self._allowed(page)
            if allowed or (is_last and not began):
                return allowed
            began = "" if is_last else began  # once round, from the first one on

    def due_among(self, subscribers: Sequence[str]) -> list[str]:
        """Those of these that may be told, whether or not anything is due for them."""
        self._look(LOOK)
        states = breakers.states(subscribers, self._using)
        return self._allowed({name: states.get(name, "") for name in subscribers if states.get(name) != "open"})

    def most(self, subscriber: str) -> int:
        """So many of its callbacks may be in flight in this worker."""
        if subscriber in self._half_open:
            return 1
        return self._warming.get(subscriber, conf.concurrency_per_subscriber)

    def claim(self, slots: Mapping[str, int], among: Sequence[int] = ()) -> list[Claimed]:
        """Claim due callbacks up to these slots, as far as limits and circuit breakers allow; of these ids, if any."""
        self.opens_at = inf
        limited = {name: self._limits_of(name) for name in slots if name in self._limits or name in self._half_open}
        if not limited:
            return transitions.claim(slots, self._using, among) if slots else []
        with transaction.atomic(using=self._using):
            admission = Admission(limited, self._using)
            admitted = admission.admit(slots)
            claimed = transitions.claim(admitted, self._using, among) if admitted else []
            admission.charge(claimed)
        if admission.wait is not None:
            self.opens_at = time.monotonic() + admission.wait
        self._probing |= self._half_open & {one.subscriber for one in claimed}
        return claimed

    def learn(self, results: Sequence[Result]) -> None:
        """See from results who is in trouble, and who no more. Costs next to nothing while all are well."""
        concerned = {one.claimed.subscriber for one in results if one.outcome != SENT}
        if concerned := concerned | self._failing | self._warming.keys():
            for name, outcomes in _outcomes(results, concerned).items():
                if outcomes.is_failing:
                    self._fails(name, outcomes)
                elif name in self._failing:
                    self._is_well(name, outcomes)
                else:
                    self._warms(name)
                if outcomes.is_gone and (kind := kind_of(name)):
                    kind.gone(name)

    def _look(self, every: float) -> None:
        if (now := time.monotonic()) >= self._looked_at + every:
            self._looked_at = now
            versions = [kind.version() for kind in kinds.registered()]
            if versions != self._versions:
                self._limits = ChainMap(*(dict(kind.limits()) for kind in kinds.registered()))
                self._versions = versions

    def _allowed(self, due: Mapping[str, str]) -> list[str]:
        self._half_open = {name for name, state in due.items() if state == "half-open"}
        self._failing |= {name for name, state in due.items() if state}
        if any(self._limits_of(name).paused for name in due):  # unless the pause has just ended
            self._look(LOOK_AT_PAUSED)
        return [name for name in due if not self._limits_of(name).paused]

    def _limits_of(self, name: str) -> Limits:
        limits = self._limits.get(name, NO_LIMITS)
        return limits._replace(probe=True) if name in self._half_open else limits

    def _fails(self, name: str, outcomes: Outcomes) -> None:
        breakers.record_failure(name, outcomes, self._using, probed=name in self._probing)
        self._failing.add(name)
        self._probing.discard(name)
        self._warming.pop(name, None)
        if kind := kind_of(name):
            if outcomes.has_success:
                kind.recovered(name)
            kind.failing(name)

    def _is_well(self, name: str, outcomes: Outcomes) -> None:
        if outcomes.has_success:
            breakers.record_success(name, self._using, probed=name in self._probing)
            self._failing.discard(name)
        else:
            breakers.close([name], self._using)
        if name in self._probing:  # many may wait, and it has just recovered: not all at once
            self._probing.discard(name)
            self._warming[name] = 1
            self._warms(name)
        if outcomes.has_success and (kind := kind_of(name)):
            kind.recovered(name)

    def _warms(self, name: str) -> None:
        if name in self._warming:
            self._warming[name] *= 2
            if self._warming[name] >= conf.concurrency_per_subscriber:
                del self._warming[name]


def _outcomes(results: Sequence[Result], subscribers: set[str]) -> dict[str, Outcomes]:
    outcomes: dict[str, Outcomes] = {}
    for result in results:
        if result.claimed.subscriber in subscribers:
            outcomes.setdefault(result.claimed.subscriber, Outcomes()).add(result)
    return outcomes
