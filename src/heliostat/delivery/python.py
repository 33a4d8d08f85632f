"""Python subscribers that a worker calls: durable code hooks and listeners, on a few threads."""

from __future__ import annotations

import logging
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.db import close_old_connections
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery.kinds import Deliver, Job, SubscriberKind, kind_of
from heliostat.events.context import notifying
from heliostat.events.event import Event
from heliostat.outbox.bodies import event_from
from heliostat.outbox.transitions import GIVE_UP, RETRY, SENT, Result

logger = logging.getLogger("heliostat.delivery")


LONG = 60.0  # seconds, after which a call that still runs is logged, and again after each of them


@dataclass(slots=True)
class _Call:
    """A call that runs. Times are those of the monotonic clock; `log_at` is when it is logged next."""

    job: Job
    began: float
    log_at: float


class PythonTransport:
    """Calls functions with the event, rebuilt as it was. Raising means: again, later."""

    def __init__(self, deliver: Deliver) -> None:
        self.slots = conf.code_threads
        self._running: dict[int, _Call] = {}  # by callback
        self._deliver = deliver
        self._pool = ThreadPoolExecutor(conf.code_threads, thread_name_prefix="heliostat-code")

    def send(self, jobs: list[Job]) -> None:
        for job in jobs:
            self._pool.submit(self._run, job)

    def check(self) -> None:
        """Log calls that run for long: each holds a thread of the worker. A pool renews its threads by itself."""
        now = time.monotonic()
        for call in list(self._running.values()):
            if now >= call.log_at:
                call.log_at = now + LONG
                claimed = call.job.claimed
                logger.warning(
                    "%s has been running for %d s (callback %d, event %s) and holds one of %d threads of this worker "
                    "(HELIOSTAT_CODE_THREADS): give what it waits for a time limit",
                    *(claimed.subscriber, now - call.began, claimed.id, claimed.event_id, self.slots),
                )

    def stop(self) -> None:
        self._pool.shutdown(wait=True)

    def _run(self, job: Job) -> None:
        started_at, began = timezone.now(), time.monotonic()
        self._running[job.claimed.id] = _Call(job, began, began + LONG)
        outcome, details, error = _call(job)
        self._running.pop(job.claimed.id, None)
        close_old_connections()
        took = time.monotonic() - began
        self._deliver(Result(job.claimed, outcome, details, started_at, took, error=error))


class PythonKind(SubscriberKind, ABC):
    """Subscribers that are Python functions."""

    transport = PythonTransport

    @property
    def concurrency(self) -> int:  # type: ignore[override]
        """Return the threads that one subscriber may hold: all but one, so that one which hangs leaves a thread."""
        return max(1, conf.code_threads - 1)

    @abstractmethod
    def function(self, subscriber: str) -> Callable[[Event], Any] | None:
        """Return the function of a subscriber; None where it is not configured any more."""


def _call(job: Job) -> tuple[str, str, str]:
    subscriber = job.claimed.subscriber
    try:
        close_old_connections()
        kind = kind_of(subscriber)
        function = kind.function(subscriber) if isinstance(kind, PythonKind) else None
        if function is None:
            return GIVE_UP, "no such function is configured any more", ""
        event = event_from(job.event_body, job.context, job.using)
        with notifying(event):
            function(event)
    except BaseException as error:  # sys.exit() in a hook ends neither the worker nor the callback
        logger.exception("%s failed at attempt %d; it will be tried again", subscriber, job.claimed.attempts)
        report = traceback.TracebackException.from_exception(error)  # bears an error that cannot be made a text
        return RETRY, f"{type(error).__name__}: {report}", "".join(report.format())[-500:]
    return SENT, "done", ""
