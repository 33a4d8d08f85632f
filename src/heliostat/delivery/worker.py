"""The worker: claims callbacks, sends them by transports, and records the results."""

from __future__ import annotations

import contextlib
import logging
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from math import inf
from pathlib import Path

from django.db import Error as DatabaseError
from django.db import connections

from heliostat.conf import conf
from heliostat.delivery import attempts
from heliostat.delivery.heartbeat import SILENT, Heartbeat
from heliostat.delivery.kinds import Job, SubscriberKind, Transport, kind_of
from heliostat.delivery.scheduler import Scheduler
from heliostat.events.databases import home
from heliostat.outbox import transitions
from heliostat.outbox.backlog import subscribers_of
from heliostat.outbox.circuit_breaker import Outcomes
from heliostat.outbox.dialect import Claimed, dialect_for
from heliostat.outbox.dispatch import left_to_worker
from heliostat.outbox.ingest import match_events
from heliostat.outbox.models import message_id
from heliostat.outbox.transitions import Result
from heliostat.outbox.waking import Waker

logger = logging.getLogger("heliostat.delivery")

# Under load one claim, and one record, for many is ten times cheaper than one for each. Times in seconds.
WAKE_PAUSE = 0.003  # between two claims for new work
WORK_PAUSE = 0.01  # between two claims for freed slots, and two records, unless there is ENOUGH
ENOUGH = 100
UPKEEP = 4.0  # seconds between two heartbeats, at most: documented are 5
PATIENCE = 1.0  # seconds for which a one-shot worker waits where a rate is used up


class Worker:
    """Claims callbacks, gives them to transports and records the results, until it is stopped.

    One thread runs `run()`; transports have threads of their own. `stop()` may be called from anywhere, also from a
    signal handler: what is in flight is finished, nothing new is begun.

    A one-shot worker tries each of some `callbacks` once, if it is due and no other worker sends it. It leaves its
    caller's connection open, and raises `DatabaseError` where the database is away. It is not listed as a worker: it
    sends no heartbeat and rescues no callbacks, and the events that its callbacks cause are dispatched on commit like
    all others.
    """

    def __init__(
        self,
        using: str | None = None,
        *,
        subscribers: Sequence[str] | None = None,
        callbacks: Sequence[int] | None = None,
        health_file: Path | None = None,
    ) -> None:
        """`using` is the database of the outbox, by default its home; `subscribers` restricts it to these."""
        self.using = using = using or home()
        self.outcomes: Counter[str] = Counter()
        self.metrics: attempts.Metrics | None = None
        self._is_one_shot = callbacks is not None
        self._untried = set(callbacks or ())
        if callbacks is not None:
            subscribers = subscribers_of(callbacks, using)
        self._scheduler = Scheduler(using, subscribers)
        self._heartbeat = Heartbeat(using, health_file)
        self._waker = Waker(using)
        self._transports: dict[type[Transport], Transport] = {}
        self._in_flight: dict[int, Claimed] = {}
        self._load: Counter[str] = Counter()
        self._results: deque[Result] = deque()
        self._stopping = self._draining = False
        self._wanted = self._is_idle = True
        self._freed = 0
        self._claimed_at = self._recorded_at = self._matched_at = self._upkeep_at = 0.0
        self._well_at: float | None = None
        self._trouble = ""

    def run(self) -> None:
        """Work until `stop()` is called."""
        if not self._draining:  # what is due is due already, and other workers need the wake-ups
            self._waker.listen()
        with contextlib.nullcontext() if self._is_one_shot else left_to_worker():
            try:
                while not self._stopping or self._in_flight:
                    try:
                        self._turn()
                    except DatabaseError as error:  # the results are kept until the database is back
                        self._wait_for_database(error)
            finally:
                self._end()

    def drain(self) -> Counter[str]:
        """Deliver all that is due, then return the number of each outcome."""
        self._draining = True
        self.run()
        return self.outcomes

    def stop(self) -> None:
        """Begin nothing new; `run()` returns when what is in flight is done."""
        self._stopping = True
        self._waker.wake()

    def wake(self) -> None:
        """Look for due callbacks now: something was committed."""
        self._waker.committed()

    @property
    def in_flight(self) -> int:
        """Return the number of callbacks that it has claimed and whose results it has not recorded."""
        return len(self._in_flight)

    def problem(self) -> str | None:
        """Return why it is not well; None while it is. From any thread."""
        if self._trouble or self._well_at is None:
            return self._trouble or "the worker is starting"
        silent = time.monotonic() - self._well_at
        return f"the worker has been silent for {silent:.0f} s" if silent > SILENT else None

    def _end(self) -> None:
        self._waker.close()
        for transport in self._transports.values():
            transport.stop()
        self._record()
        if not self._is_one_shot:
            self._heartbeat.end()
            if not connections[self.using].in_atomic_block:  # a test may drain inside its transaction
                connections[self.using].close()

    def _wait_for_database(self, error: DatabaseError) -> None:
        self._wanted = True
        if dialect_for(self.using).is_conflict(error):
            logger.info("gave way to another transaction (%s); trying again", str(error).strip())
            return
        if self._is_one_shot:
            raise error
        self._trouble = "the database is out of reach"
        logger.warning("the database is out of reach (%s); trying again in 1 s", str(error).strip())
        connections[self.using].close()
        self._waker.wait(1.0)

    def _turn(self) -> None:
        self._is_idle = not self._results  # before it counts the time: each result from now on wakes it
        nap = min(self._upkeep_at, self._claim_at(), self._record_at()) - time.monotonic()
        if nap > 0:
            release_pooled()
        if self._waker.wait(max(0.0, nap)):
            self._wanted = True
        now = time.monotonic()
        if now >= self._record_at():
            self._record()
        if now >= self._upkeep_at:
            self._upkeep(now)
        if now >= self._claim_at():
            self._claim(now)

    def _record_at(self) -> float:
        """Return when to record the results that have arrived (`time.monotonic()`)."""
        if not self._results:
            return inf
        is_enough = len(self._results) >= min(ENOUGH, len(self._in_flight))
        return 0.0 if is_enough else self._recorded_at + WORK_PAUSE

    def _claim_at(self) -> float:
        """Return when to claim more callbacks (`time.monotonic()`)."""
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
        claimed: list[Claimed] = []
        if self._untried or not self._is_one_shot:
            claimed = self._scheduler.claim(self._free_slots(), sorted(self._untried))
            self._untried -= {one.id for one in claimed}
        if claimed:
            self._send(claimed)
            self._freed = 1  # there may be more
            if self.metrics:
                self.metrics.count_claim(len(claimed))
        if is_news and not self._is_one_shot:
            self._matched_at = now
            if match_events(self.using):  # what other programs wrote, for the next claim: these need not wait for it
                self._wanted = True  # there may be more
        is_done = not (self._wanted or self._freed or self._in_flight)
        patience = PATIENCE if self._is_one_shot else inf
        if self._draining and is_done and self._scheduler.claims_at >= now + patience:
            self._stopping = True

    def _free_slots(self) -> dict[str, int]:
        """Return how many callbacks of each subscriber may be claimed now; they take turns where they are many."""
        due = self._scheduler.due()
        kinds = {subscriber: kind_of(subscriber) for subscriber in (*due, *self._load)}
        transports = {subscriber: kind and kind.transport for subscriber, kind in kinds.items()}
        free = {one: self._transport(one).slots if one else 0 for one in transports.values()}
        for subscriber, in_flight in self._load.items():
            free[transports[subscriber]] -= in_flight
        slots: dict[str, int] = {}
        for position, subscriber in enumerate(due):
            transport = transports[subscriber]
            share = -(-free[transport] // (len(due) - position))  # rounded up
            wanted = min(share, self._scheduler.concurrency(subscriber) - self._load[subscriber], conf.batch_size)
            if wanted > 0:
                slots[subscriber] = wanted
                free[transport] -= wanted
        return slots

    def _transport(self, wanted: type[Transport]) -> Transport:
        """Return a transport, which starts when the first callback is due. Kinds may share one."""
        if wanted not in self._transports:
            self._transports[wanted] = wanted(self._deliver)
        return self._transports[wanted]

    def _send(self, claimed: list[Claimed]) -> None:
        # The database is asked first: if it fails, nothing is in flight and the leases simply run out.
        for kind, jobs in self._jobs(claimed).items():
            refused = {result.claimed.id: result for result in kind.refused(jobs)}
            transports = kind.transports({job.claimed.subscriber for job in jobs})
            batches: dict[type[Transport], list[Job]] = {}
            for job in jobs:
                if job.claimed.id not in refused:
                    batches.setdefault(transports[job.claimed.subscriber], []).append(job)
            for transport, batch in batches.items():
                self._transport(transport).send(batch)
                for job in batch:
                    self._sent(job.claimed)
            for result in refused.values():
                self._sent(result.claimed)
                self._deliver(result)

    def _jobs(self, claimed: list[Claimed]) -> dict[SubscriberKind, list[Job]]:
        """Return what is to be sent, by kind of subscribers."""
        bodies = dialect_for(self.using).bodies(list({one.event_id for one in claimed}))
        kinds = {subscriber: kind_of(subscriber) for subscriber in {one.subscriber for one in claimed}}
        jobs: dict[SubscriberKind, list[Job]] = {}
        for one in claimed:
            kind = kinds[one.subscriber]
            if kind and one.event_id in bodies:  # else it was deleted meanwhile, and the callback with it
                event_body, context = bodies[one.event_id]
                body = event_body if one.body is None else one.body
                id_ = message_id(one.event_id, one.subscriber)
                job = Job(one, id_, body, event_body, context, self.using)
                jobs.setdefault(kind, []).append(job)
        return jobs

    def _sent(self, claimed: Claimed) -> None:
        self._in_flight[claimed.id] = claimed
        self._load[claimed.subscriber] += 1

    def _deliver(self, result: Result) -> None:
        """Take a result from a transport, on any thread."""
        self._results.append(result)
        if self._is_idle or len(self._results) == ENOUGH:  # in between, the worker's thread sleeps on
            self._is_idle = False  # before it is woken: then it decides again
            self._waker.wake()

    def _record(self) -> None:
        results = [self._results[index] for index in range(len(self._results))]
        outcomes = self._scheduler.record(results)
        self._recorded_at = time.monotonic()
        for result in results:  # only now: if the database had failed, they would be recorded again
            self._results.popleft()
            self.outcomes[result.outcome] += 1
            if self._in_flight.get(result.claimed.id) == result.claimed:  # else lost, and claimed here once more
                del self._in_flight[result.claimed.id]
            self._load[result.claimed.subscriber] -= 1
            if self._load[result.claimed.subscriber] <= 0:
                del self._load[result.claimed.subscriber]
            self._freed += 1
        self._report(results, outcomes)

    def _report(self, results: Sequence[Result], outcomes: Mapping[str, Outcomes]) -> None:
        """Report recorded results to logs, metrics and the kinds of their subscribers."""
        attempts.log(results)
        if self.metrics:
            self.metrics.count(results)
        self._scheduler.notify(outcomes)
        for result in results:
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
        if not self._is_one_shot:
            if rescued := transitions.rescue(self.using):
                logger.warning("took %d callbacks from a worker that died", rescued)
                self._wanted = True
            self._heartbeat.beat()
        self._well_at, self._trouble = time.monotonic(), ""


def release_pooled() -> None:
    """Give this thread's connections back to Django's pools, except where a transaction is open (in a test).

    A thread that sleeps holds no connection of a pool (`OPTIONS = {"pool": …}`): there may be only one.
    """
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
            connection.close()
