"""Publishes callbacks to queues: a thread for each queue, in batches, so that one that is away delays no other."""

from __future__ import annotations

import logging
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery.kinds import Deliver, Job, kind_of
from heliostat.delivery.request import NoDestination
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result
from heliostat.queues.base import Confirmation, Queue, Unconfirmed, down, text_of
from heliostat.queues.messages import JSON_TYPE, Message, message_of

logger = logging.getLogger("heliostat.queues")

IN_FLIGHT = 1000  # callbacks in a worker
BATCH = 500  # messages


class QueueTarget(NamedTuple):
    """Where the callbacks of a subscriber are published. `content_type` is that of its own bodies."""

    queue: Queue
    content_type: str = JSON_TYPE


@runtime_checkable
class PublishesToQueues(Protocol):
    """A kind of subscribers that gives this transport its targets."""

    @abstractmethod
    def queue_targets(self, subscribers: Collection[str]) -> Mapping[str, QueueTarget | NoDestination]:
        """Return where each of these subscribers is published, as it is now. May ask the database."""


class QueueTransport:
    """Gives each job to the thread of its queue."""

    def __init__(self, deliver: Deliver) -> None:
        self.slots = IN_FLIGHT
        self._threads: dict[Queue, _PublishingThread] = {}
        self._deliver = deliver

    def send(self, jobs: list[Job]) -> None:
        """Send jobs of one kind. Called by the worker's own thread, which may ask the database where they go."""
        kind = kind_of(jobs[0].claimed.subscriber)
        assert isinstance(kind, PublishesToQueues)
        targets = kind.queue_targets({job.claimed.subscriber for job in jobs})
        batches: dict[Queue, list[_Waiting]] = {}
        for job in sorted(jobs, key=_id):
            target = targets[job.claimed.subscriber]
            if isinstance(target, NoDestination):
                outcome = CANCEL if target.is_final else RETRY
                self._deliver(Result(job.claimed, outcome, target.reason, timezone.now(), 0.0, error=target.reason))
            else:
                batches.setdefault(target.queue, []).append((job, target.content_type))
        for queue, batch in batches.items():
            if queue not in self._threads:
                self._threads[queue] = _PublishingThread(queue, self._deliver)
                self._threads[queue].start()
            self._threads[queue].add(batch)

    def check(self) -> None:
        """A thread of a queue survives whatever its publisher raises."""

    def stop(self) -> None:
        for thread in self._threads.values():
            thread.finish()
        for thread in self._threads.values():
            thread.join()


def _id(job: Job) -> int:
    return job.claimed.id


_Waiting = tuple[Job, str]
"""A job, and the content type of its body where that is the subscriber's own."""


class _PublishingThread(threading.Thread):
    """Publishes what waits for one queue, over one connection."""

    def __init__(self, queue: Queue, deliver: Callable[[Result], None]) -> None:
        super().__init__(name=f"heliostat-{queue}"[:80], daemon=True)
        self._queue = queue
        self._deliver = deliver
        self._publisher = queue.publisher()
        self._published = f"published to {queue}"
        self._waiting: deque[_Waiting] = deque()
        self._wake = threading.Semaphore(0)
        self._is_finishing = False

    def add(self, batch: Sequence[_Waiting]) -> None:
        self._waiting.extend(batch)
        self._wake.release()

    def finish(self) -> None:
        """Publish what waits, then end."""
        self._is_finishing = True
        self._wake.release()

    def run(self) -> None:
        while self._waiting or not self._is_finishing:
            if self._waiting:
                self._publish([self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))])
            else:
                self._wake.acquire()
        self._close()

    def _publish(self, batch: Sequence[_Waiting]) -> None:
        started_at, began = timezone.now(), time.perf_counter()
        source = msgspec.json.encode(conf.event_source).decode()
        messages: list[Message] = []
        for job, content_type in batch:
            try:
                messages.append(message_of(job, source, content_type))
            except Exception as error:  # the row of its event was written by hand
                why = Unconfirmed(f"no message can be made of the event: {text_of(error)}", GIVE_UP)
                self._deliver(_result(job, why, started_at, 0.0))
        confirmations = self._confirmations(messages) if messages else []
        took = (time.perf_counter() - began) / len(batch)
        for message, confirmation in zip(messages, confirmations, strict=True):
            if confirmation is None:
                self._deliver(Result(message.job.claimed, SENT, self._published, started_at, took))
            else:
                self._deliver(_result(message.job, confirmation, started_at, took))

    def _confirmations(self, messages: Sequence[Message]) -> Sequence[Confirmation]:
        try:
            found = self._publisher.publish(messages)
            if len(found) == len(messages):
                return found
            raise RuntimeError(f"{type(self._publisher).__name__} confirmed {len(found)} of {len(messages)} messages")
        except Exception as error:  # whatever a client raises; its text may hold the address with its password
            logger.warning("%s: publishing %d messages failed: %s", self._queue, len(messages), text_of(error))
            self._close()
            return down(error, len(messages))

    def _close(self) -> None:
        try:
            self._publisher.close()
        except Exception as error:
            logger.info("%s: closing the connection failed: %s", self._queue, text_of(error))


def _result(job: Job, why: Unconfirmed, started_at: datetime, took: float) -> Result:
    return Result(job.claimed, why.outcome, why.reason, started_at, took, error=why.reason, receiver_down=why.is_down)
