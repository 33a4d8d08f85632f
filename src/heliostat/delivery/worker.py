"""The worker: keeps the promises in the outbox."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Sequence
from math import inf
from pathlib import Path

from django.db import Error as DatabaseError
from django.db import connections

from heliostat.conf import conf
from heliostat.delivery import attempt_log, kinds
from heliostat.delivery.heartbeat import Heartbeat
from heliostat.delivery.kinds import Job, Transport, kind_of
from heliostat.delivery.pools import release_pooled
from heliostat.delivery.scheduler import Scheduler
from heliostat.delivery.worker_metrics import WorkerMetrics
from heliostat.events.databases import home
from heliostat.outbox import transitions
from heliostat.outbox.dialect import Claimed, dialect_for
from heliostat.outbox.dispatch import left_to_worker
from heliostat.outbox.kinds import name_of_kind
from heliostat.outbox.models import message_id
from heliostat.outbox.outside import match_events
from heliostat.outbox.transitions import Result
from heliostat.outbox.waking import Waker

logger = logging.getLogger("heliostat.delivery")

# Under load one claim, and one record, for many is ten times cheaper than one for each. Times in seconds.
WAKE_PAUSE = 0.003  # between two claims for new work
WORK_PAUSE = 0.01  # between two claims for freed slots, and two records, unless there is ENOUGH
ENOUGH = 100
UPKEEP = 4.0  # seconds between two signs of life, at most: promised are 5
SILENT = 20.0  # seconds without one after which something is wrong


class Worker:
    """Claims callbacks, hands them to transports, writes down what came of them, until it is stopped.

    One thread runs `run()`; transports have threads of their own. `stop()` may be called from anywhere, also from a
    signal handler: what is in flight is finished, nothing new is begun.
    """

    patience = inf  # seconds for which draining waits where a rate is used up: all that is due is wanted

    def __init__(
        self,
        using: str | None = None,
        *,
        subscribers: Sequence[str] | None = None,
        health_file: Path | None = None,
    ) -> None:
        """`using` is the database of the outbox, by default its home; `subscribers` restricts it to these."""
        self.using = using = using or home()
        self.told: Counter[str] = Counter()
        self._transports: dict[str, Transport] = {}
        self._in_flight: dict[int, Claimed] = {}
        self._load: Counter[str] = Counter()
        self._results: deque[Result] = deque()
        self._waker = Waker(using)
        self._stopping = False
        self._draining = False
        self._wanted = self._is_idle = True
        self._freed = 0
        self._claimed_at = self._recorded_at = self._matched_at = self._upkeep_at = 0.0
        self._heartbeat = Heartbeat(using, health_file)
        self._well_at: float | None = None
        self._trouble = ""
        self.metrics: WorkerMetrics | None = None
        self._scheduler = Scheduler(using, subscribers)

    def run(self) -> None:
        """Work until `stop()` is called."""
        with left_to_worker():
            self._work()

    def drain(self) -> Counter[str]:
        """Tell all that is due, then return how often each outcome came about."""
        self._draining = True
        self.run()
        return self.told

    def stop(self) -> None:
        """Begin nothing new; `run()` returns when what is in flight is done."""
        self._stopping = True
        self._waker.wake()

    def wake(self) -> None:
        """Something was committed: look now."""
        self._waker.committed()

    @property
    def in_flight(self) -> int:
        """Callbacks that it has claimed and not yet written down."""
        return len(self._in_flight)

    def problem(self) -> str | None:
        """Why it is not well; None while it is. From any thread."""
        if self._trouble or self._well_at is None:
            return self._trouble or "the worker is starting"
        silent = time.monotonic() - self._well_at
        return f"the worker has been silent for {silent:.0f} s" if silent > SILENT else None

    def _work(self) -> None:
        self._begin()
        try:
            while not self._stopping or self._in_flight:
                self._guarded_turn()
        finally:
            self._end()

    def _begin(self) -> None:
        transports: dict[object, Transport] = {}
        for kind in kinds.registered():
            if kind.transport not in transports:
                transports[kind.transport] = kind.transport()
                transports[kind.transport].start(self._deliver)
            self._transports[kind.name] = transports[kind.transport]
        if not self._draining:  # what is due is due; nobody needs to say so, and others may want to be told
            self._waker.listen()

    def _end(self) -> None:
        self._waker.close()
        for transport in set(self._transports.values()):
            transport.stop()
        self._record()
        self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(DatabaseError):  # a database that is away now has seen the last of us soon enough
            self._heartbeat.end()
        if not connections[self.using].in_atomic_block:  # a test may drain inside its transaction
            connections[self.using].close()

    def _guarded_turn(self) -> None:
        """A database that is away for a while ends nothing: what is to be written is kept until it is back."""
        try:
            self._turn()
        except DatabaseError as error:
            if dialect_for(self.using).is_conflict(error):
                logger.info("gave way to another transaction (%s); trying again", str(error).strip())
                self._wanted = True
                return
            self._wait_for_database(error)

    def _wait_for_database(self, error: DatabaseError) -> None:
        self._trouble = "the database is out of reach"
        logger.warning("the database is out of reach (%s); trying again in 1 s", str(error).strip())
        connections[self.using].close()
        self._wanted = True
        self._waker.wait(1.0)

    def _turn(self) -> None:
        self._is_idle = not self._results  # before it counts the time: whatever arrives from now on rings
        if nap := self._nap():
            release_pooled()
        if self._waker.wait(nap):
            self._wanted = True
        now = time.monotonic()
        if self._results and now >= self._record_at():
            self._record()
        if now >= self._upkeep_at:
            self._upkeep(now)
        if now >= self._claim_at():
            self._claim(now)

    def _nap(self) -> float:
        """Seconds until there is something to do without being woken."""
        due = min(self._upkeep_at, self._claim_at(), self._record_at() if self._results else self._upkeep_at)
        return max(0.0, due - time.monotonic())

    def _record_at(self) -> float:
        arrived = len(self._results)
        return 0.0 if arrived >= min(ENOUGH, len(self._in_flight)) else self._recorded_at + WORK_PAUSE

    def _claim_at(self) -> float:
        if self._stopping:
            return inf
        if self._wanted:
            return self._claimed_at + WAKE_PAUSE
        if self._freed >= min(ENOUGH, len(self._in_flight)) > 0 or (self._freed and not self._in_flight):
            return 0.0
        return min(self._scheduler.claims_at, self._claimed_at + (WORK_PAUSE if self._freed else conf.poll))

    def _claim(self, now: float) -> None:
        self._claimed_at = now
        is_news = self._wanted or now >= self._matched_at + conf.poll  # else slots were freed, and nothing happened
        self._wanted, self._freed = False, 0
        if claimed := self._take(self._free_slots()):
            self._hand_over(claimed)
            self._freed = 1  # there may be more
            if self.metrics:
                self.metrics.note_claim(len(claimed))
        if is_news:
            self._match(now)
        is_done = not (self._wanted or self._freed or self._in_flight)
        if self._draining and is_done and self._scheduler.claims_at >= now + self.patience:
            self._stopping = True

    def _match(self, now: float) -> None:
        """What other programs wrote becomes callbacks: for the next claim, so that what is on its way need not wait."""
        self._matched_at = now
        if match_events(self.using):
            self._wanted = True  # there may be more

    def _take(self, slots: dict[str, int]) -> list[Claimed]:
        return self._scheduler.claim(slots)

    def _free_slots(self) -> dict[str, int]:
        """How many callbacks of each subscriber may be claimed now; subscribers take turns where they are many."""
        due = self._scheduler.due()
        free = {kind: transport.slots for kind, transport in self._transports.items()}
        for claimed in self._in_flight.values():
            free[name_of_kind(claimed.subscriber)] -= 1
        slots: dict[str, int] = {}
        for position, subscriber in enumerate(due):
            kind = name_of_kind(subscriber)
            share = -(-free.get(kind, 0) // (len(due) - position))  # rounded up
            wanted = min(share, self._scheduler.concurrency(subscriber) - self._load[subscriber], conf.batch_size)
            if wanted > 0:
                slots[subscriber] = wanted
                free[kind] -= wanted
        return slots

    def _hand_over(self, claimed: list[Claimed]) -> None:
        # Whatever asks the database comes first: should it fail, nothing is in flight and the leases simply run out.
        bodies = dialect_for(self.using).bodies(list({one.event_id for one in claimed}))
        jobs: dict[str, list[Job]] = {}
        for one in claimed:
            if one.event_id in bodies:  # deleted in between, and the callback with it
                jobs.setdefault(name_of_kind(one.subscriber), []).append(_job(one, *bodies[one.event_id], self.using))
        for kind, of_kind in jobs.items():
            self._transports[kind].send(of_kind)
            for job in of_kind:
                self._in_flight[job.claimed.id] = job.claimed
                self._load[job.claimed.subscriber] += 1

    def _deliver(self, result: Result) -> None:
        self._results.append(result)
        if self._is_idle or len(self._results) == ENOUGH:  # in between, the worker's thread sleeps on
            self._waker.wake()

    def _record(self) -> None:
        results = [self._results[index] for index in range(len(self._results))]
        outcomes = self._scheduler.record(results)
        self._recorded_at = time.monotonic()
        for result in results:  # only now: had the database failed, they would be recorded again
            self._results.popleft()
            self.told[result.outcome] += 1
            if self._in_flight.get(result.claimed.id) == result.claimed:  # else lost, and claimed here once more
                del self._in_flight[result.claimed.id]
            self._load[result.claimed.subscriber] -= 1
            self._freed += 1
        attempt_log.write(results)
        if self.metrics:
            self.metrics.note(results)
        self._scheduler.notify(outcomes)
        for result in results:
            self._attempted(result)

    def _attempted(self, result: Result) -> None:
        try:
            if kind := kind_of(result.claimed.subscriber):
                kind.attempted(result, self.using)
        except Exception:
            logger.exception("callback %d was sent, but what follows from it failed", result.claimed.id)

    def _upkeep(self, now: float) -> None:
        self._upkeep_at = now + min(UPKEEP, conf.lease / 4)
        for transport in self._transports.values():
            transport.check()
        if self._in_flight:
            transitions.renew(self._in_flight.values(), self.using)
        self._look_after_others()
        self._well_at, self._trouble = time.monotonic(), ""

    def _look_after_others(self) -> None:
        if rescued := transitions.rescue(self.using):
            logger.warning("took %d callbacks from a worker that died", rescued)
            self._wanted = True
        self._heartbeat.beat()


def _job(claimed: Claimed, event_body: str, context: str, using: str) -> Job:
    body = event_body if claimed.body is None else claimed.body
    return Job(claimed, message_id(claimed.event_hex, claimed.subscriber), body, event_body, context, using)
