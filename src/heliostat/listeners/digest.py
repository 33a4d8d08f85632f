"""Digests: subscribers that get the events of some minutes together.

Events wait in the outbox, as callbacks of the kind `digest`, so that none is lost when a process ends. A digest is due
when its oldest callback has waited long enough. Until then its subscriber is paused. Then a worker claims all that
wait, and its transport gives them to the subscriber in one call.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from django.db import DatabaseError, close_old_connections, connections
from django.utils import timezone

from heliostat.delivery.kinds import Deliver, Job, SubscriberKind
from heliostat.events.event import Event
from heliostat.listeners.base import ListenerEvent
from heliostat.listeners.source import all_built, built
from heliostat.outbox.bodies import event_from
from heliostat.outbox.databases import has_outbox
from heliostat.outbox.limits import Limits
from heliostat.outbox.models import Callback, Status
from heliostat.outbox.transitions import RETRY, SENT, Result
from heliostat.text import error_text

logger = logging.getLogger("heliostat.listeners")

MOST = 5000  # events in one digest
LOOK = 1.0  # seconds between two looks for digests that are due
LINGER = 2.0  # seconds without another callback, after which a digest is complete
# It is longer than LOOK and the half second in which a scheduler notices: no callback is claimed after its digest.


class Digest(ABC):
    """A subscriber that gets the events of `minutes` in one call; `load_from_config` returns it."""

    subscriber_kind = "digest"
    minutes: float

    @abstractmethod
    def send(self, events: Sequence[ListenerEvent]) -> None:
        """Handle the events, oldest first. An exception means that all of them are retried, together."""


class DigestTransport:
    """Collects the callbacks of each subscriber until all have come, and gives them to it."""

    def __init__(self, deliver: Deliver) -> None:
        self.slots = MOST
        self._deliver = deliver
        self._jobs: dict[str, list[Job]] = {}
        self._last_at: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heliostat-digest", daemon=True)
        self._thread.start()

    def send(self, jobs: list[Job]) -> None:
        with self._lock:
            for job in jobs:
                self._jobs.setdefault(job.claimed.subscriber, []).append(job)
                self._last_at[job.claimed.subscriber] = time.monotonic()

    def check(self) -> None:
        """The thread survives whatever a subscriber raises."""

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(LINGER / 20):
            self._send_complete()
        self._send_complete(linger=0.0)

    def _send_complete(self, linger: float = LINGER) -> None:
        now = time.monotonic()
        with self._lock:
            complete = [name for name, last_at in self._last_at.items() if last_at + linger <= now]
            digests = {name: self._jobs.pop(name) for name in complete}
            for name in complete:
                del self._last_at[name]
        for name, jobs in digests.items():
            self._send(name, sorted(jobs, key=lambda job: job.claimed.id))

    def _send(self, name: str, jobs: Sequence[Job]) -> None:
        started_at, began = timezone.now(), time.perf_counter()
        outcome, details = SENT, f"sent with {len(jobs)} events"
        try:
            close_old_connections()
            found = built(name)
            if found is None or not isinstance(found.listener, Digest):
                raise LookupError("EVENT_LISTENERS has no such digest, or its section is not valid")
            found.listener.send([ListenerEvent([_event_of(job)], found.registry) for job in jobs])
        except BaseException as error:  # sys.exit() in a subscriber ends neither the worker nor the callbacks
            logger.exception("%s failed with %d events; they are retried", name, len(jobs))
            outcome, details = RETRY, f"{type(error).__name__}: {error_text(error)}"
        finally:
            close_old_connections()
        took = time.perf_counter() - began
        problem = details if outcome == RETRY else ""
        for job in jobs:
            self._deliver(Result(job.claimed, outcome, details, started_at, took, error=problem))


def _event_of(job: Job) -> Event:
    return event_from(job.event_body, job.context, job.using)


class DigestKind(SubscriberKind):
    """Digests of `EVENT_LISTENERS`."""

    name = Digest.subscriber_kind
    transport = DigestTransport
    concurrency = MOST

    def __init__(self) -> None:
        self._looked_at = -LOOK
        self._due: frozenset[str] = frozenset()

    def version(self) -> int:
        if (now := time.monotonic()) >= self._looked_at + LOOK:
            self._looked_at = now
            self._due = frozenset(_due_digests())
        return hash((self._due, tuple(name for name, _ in _digests())))

    def limits(self) -> Mapping[str, Limits]:
        return {name: Limits(paused=True) for name, _ in _digests() if name not in self._due}


def _digests() -> Iterator[tuple[str, Digest]]:
    return ((name, one.listener) for name, one in all_built().items() if isinstance(one.listener, Digest))


def _due_digests() -> Iterator[str]:
    """Yield the digests whose oldest callback has waited for their minutes, in the databases that this worker uses.

    What failed is due at slightly different times: a digest waits for the last of it.
    """
    if not (digests := list(_digests())):
        return
    now = timezone.now()
    opened = [one.alias for one in connections.all(initialized_only=True) if one.connection is not None]
    try:
        outboxes = [Callback.objects.using(using) for using in opened if has_outbox(using)]
        for name, digest in digests:
            for rows in outboxes:
                waiting = rows.filter(subscriber=name, status=Status.WAITING)
                waited = waiting.filter(created_at__lte=now - timedelta(minutes=digest.minutes), due_at__lte=now)
                if waited.exists() and not waiting.filter(due_at__gt=now, attempts__gt=0).exists():
                    yield name
    except DatabaseError:  # the worker itself finds out, and says so
        return
