"""A consumer of a Redis stream: one function, called with each event of a consumer group.

Nothing is lost: an entry is acknowledged when the function returned, or in one transaction with its dead letter. A
consumer that dies leaves its entries pending; after a lease, others take them over. So an event can arrive twice, with
the same `id`.
"""

from __future__ import annotations

import heapq
import logging
import math
import os
import secrets
import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import Literal

import msgspec
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, ResponseError, TimeoutError

from heliostat.exceptions import ConfigurationError
from heliostat.queues.consuming.child import InChild
from heliostat.queues.consuming.connection import connect, place_of
from heliostat.queues.consuming.group import FIELD, GROUP, Entry, Group
from heliostat.queues.consuming.handlers import Failure, Function, Handler, InProcess, load_function, path_of
from heliostat.queues.consuming.lease import Lease

logger = logging.getLogger("heliostat.queues")

START = 15.0  # seconds in which Redis must be reached in the beginning
SWEEP = 1.0  # seconds between looks for entries of consumers that are gone
ACKNOWLEDGE = 0.05  # seconds: what was handled is acknowledged after so long at most, while more is handled
WAITING = 10_000  # entries of one consumer that may wait for a retry; it reads no new ones meanwhile
LONGEST_REASON = 2000  # characters
BACKOFF = (0.1, 5.0)  # seconds between tries to reach Redis again: the first and the longest
BEGIN = {"beginning": "0", "new": "$"}


@dataclass
class Counts:
    """What a consumer did so far."""

    handled: int = 0
    failures: int = 0
    dead_letters: int = 0
    trimmed: int = 0

    def __str__(self) -> str:
        text = f"handled {self.handled:,}, failures {self.failures:,}, dead letters {self.dead_letters:,}"
        return f"{text}, trimmed before they were handled {self.trimmed:,}" if self.trimmed else text


class Consumer:
    """Calls a function with each event of a Redis stream, as one consumer of a group.

    `call` is a function or its dotted path; an exception is a failure. All times are in seconds. `batch` entries are
    read at once, and handled one by one in the order of the stream. A failed one is retried after 1, 2, 4 ... s (a
    `lease` at most), behind others; after `max_deliveries` it becomes a dead letter. With `handler_timeout`, the
    function runs in a child process. `begin` is where a new group begins: `beginning` or `new`. `name` is this
    consumer's own (default: one that no other has). Raises `ConfigurationError` where an option is not valid.
    """

    def __init__(
        self,
        url: str,
        *,
        stream: str = "heliostat",
        group: str,
        call: str | Function,
        batch: int = 100,
        lease: float = 10.0,
        max_deliveries: int = 5,
        max_dead_letters: int = 100_000,
        handler_timeout: float | None = None,
        exit_when_idle: float | None = None,
        begin: Literal["beginning", "new"] = "beginning",
        name: str = "",
    ) -> None:
        for what, value, least in (
            ("batch", batch, 1),
            ("max_deliveries", max_deliveries, 1),
            ("max_dead_letters", max_dead_letters, 0),
            ("lease", lease, 0.1),
            ("handler_timeout", handler_timeout, 0.001),
            ("exit_when_idle", exit_when_idle, 0),
        ):
            if value is not None and not least <= value < math.inf:
                raise ConfigurationError(f"{what} is {value:g}; it must be {least:g} or more.")
        if begin not in BEGIN:
            raise ConfigurationError(f"begin is {begin!r}; it can be {' or '.join(BEGIN)}.")
        if not isinstance(call, str) and not callable(call):
            raise ConfigurationError(f"call is {call!r}, which is neither a function nor the path of one.")
        if not stream or not group:
            raise ConfigurationError("the stream and the group need a name.")
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self.counts = Counts()
        self._group = Group(connect(url), stream, group, self.name, batch=batch, lease=lease)
        self._lease = Lease(self._group, lease)
        self._place, self._begin = place_of(url), BEGIN[begin]
        self._call, self._handler_timeout = call, handler_timeout
        self._batch, self._seconds = batch, lease
        self._max_deliveries, self._max_dead_letters = max_deliveries, max_dead_letters
        self._exit_when_idle = exit_when_idle
        self._todo: deque[Entry] = deque()
        self._due: list[float] = []  # when retries of this consumer are due
        self._stopping = False
        self._idle_since = self._acknowledged = self._next_sweep = self._next_forget = time.monotonic()

    def stop(self) -> None:
        """Let `run` end after the event in hand. May be called from a signal handler and from any thread."""
        self._stopping = True

    def run(self) -> Counts:
        """Consume until `stop` is called, or nothing happens for `exit_when_idle` seconds. Return what was done.

        Raise `ConfigurationError` where the function cannot be imported, and `RedisError` where Redis refuses, or
        cannot be reached for 15 seconds in the beginning. Later, it waits for Redis as long as it takes.
        """
        handler = self._handler()
        try:
            self._join()
            logger.info("consuming %s at %s as %s", self._group, self._place, self.name)
            try:
                with self._lease:
                    self._loop(handler)
            finally:
                self._leave()
        finally:
            handler.close()
            self._group.client.close()
        return self.counts

    def _handler(self) -> Handler:
        if self._handler_timeout is not None:
            path = self._call if isinstance(self._call, str) else path_of(self._call)
            return InChild(path, self._handler_timeout)
        return InProcess(load_function(self._call) if isinstance(self._call, str) else self._call)

    def _join(self) -> None:
        """Create the group where it is missing. Wait for Redis for a while: a machine that boots may start it later."""
        patience = START if self._exit_when_idle is None else min(START, self._exit_when_idle)
        until, problems = time.monotonic() + patience, 0
        while not self._stopping:
            try:
                self._group.create(self._begin)
                return
            except (ConnectionError, TimeoutError) as error:
                if isinstance(error, AuthenticationError) or time.monotonic() >= until:
                    raise
                problems += 1
                self._wait_for_redis(error, problems)

    def _loop(self, handler: Handler) -> None:
        problems = 0
        while not self._stopping:
            try:
                self._turn(handler)
                problems = 0
            except ResponseError as error:
                problems += 1
                if "NOGROUP" in str(error) and self._create_again():
                    continue
                self._wait_for_redis(error, problems)
            except RedisError as error:
                problems += 1
                self._wait_for_redis(error, problems)

    def _turn(self, handler: Handler) -> None:
        """Handle what is there: what is left of a batch, what others left behind, a new batch."""
        self._handle_all(handler)
        is_idle = not self._sweep(handler)
        if len(self._due) >= WAITING:
            self._rest(self._until_sweep())
        elif not self._stopping and self._read():
            is_idle = False
            self._handle_all(handler)
        if self._exit_when_idle is not None:
            self._exit_if_idle(is_idle, self._exit_when_idle)

    def _sweep(self, handler: Handler) -> bool:
        """Handle entries whose consumer is gone or whose retry is due, a batch at most. Return whether any was."""
        now = time.monotonic()
        if self._until_sweep() > 0:
            return False
        while self._due and self._due[0] <= now:
            heapq.heappop(self._due)
        swept = 0
        while swept < self._batch and not self._stopping:
            self._lease.acknowledge()
            began = time.monotonic()
            entry = self._group.take_over()
            if entry is None:
                self._next_sweep = now + SWEEP
                break
            self._take([entry], began)
            self._handle_all(handler)
            swept += 1
        if now >= self._next_forget:
            self._next_forget = now + self._seconds / 2
            if gone := self._group.forget(self._seconds):
                logger.info("removed the names of consumers that are gone: %s", ", ".join(gone))
        return swept > 0

    def _until_sweep(self) -> float:
        """Return the seconds until something may have to be taken over; retries of this consumer are known exactly."""
        return min([self._next_sweep, *self._due[:1]]) - time.monotonic()

    def _read(self) -> bool:
        """Take the next batch in hand; wait for one for a moment. Return whether there is one."""
        self._lease.acknowledge()
        began = time.monotonic()
        entries, trimmed = self._group.read()
        if trimmed:
            self.counts.trimmed += trimmed
            logger.warning(
                "%d entries were trimmed before %s read them: they are lost to it. Let more consumers run, or raise "
                "maxlen of the stream", trimmed, self._group,
            )  # fmt: skip
        if not entries and (wait := self._until_sweep()) > 0:
            began = time.monotonic()
            entries = self._group.wait(min(wait, SWEEP, *filter(None, [self._exit_when_idle])))
        self._take(entries, began)
        return bool(entries)

    def _take(self, entries: list[Entry], since: float) -> None:
        self._todo.extend(entries)
        self._lease.hold([one.id for one in entries], since)

    def _exit_if_idle(self, is_idle: bool, seconds: float) -> None:
        now = time.monotonic()
        if not is_idle or self._group.pending():
            self._idle_since = now
        elif now - self._idle_since >= seconds:
            self.stop()

    def _handle_all(self, handler: Handler) -> None:
        while self._todo and not self._stopping:
            now = time.monotonic()
            if now - self._acknowledged > ACKNOWLEDGE:
                self._lease.acknowledge()
                self._acknowledged = now
            is_taken = self._lease.is_taken(self._todo[0].id, now)
            entry = self._todo.popleft()
            if not is_taken:
                self._handle(entry, handler)

    def _handle(self, entry: Entry, handler: Handler) -> None:
        if entry.fields is None:
            self.counts.trimmed += 1
            logger.warning("entry %s was trimmed from the stream while it was pending: it is lost", entry.id.decode())
            return
        if entry.fields.get(GROUP, self._group.name.encode()) != self._group.name.encode():
            self._lease.finish(entry.id)  # replayed for another group
            return
        if entry.deliveries > self._max_deliveries:
            reason = f"delivered {entry.deliveries - 1} times, and never finished: the last consumer died or hung"
            self._bury(entry, reason)
            return
        body = entry.fields.get(FIELD)
        failure = handler(body) if body is not None else Failure("the entry has no field 'event'", is_final=True)
        if failure is None:
            self.counts.handled += 1
            self._lease.finish(entry.id)
        else:
            self._fail(entry, failure)

    def _fail(self, entry: Entry, failure: Failure) -> None:
        self.counts.failures += 1
        logger.debug("%s", failure.trace)
        if failure.is_final or entry.deliveries >= self._max_deliveries:
            self._bury(entry, failure.reason)
            return
        wait = min(2.0 ** (entry.deliveries - 1), self._seconds)
        with self._lease.lock:
            self._lease.let_go(entry.id)
            taken, trimmed = self._group.retry(entry.id, wait)
        if trimmed:
            self._bury(entry, f"{failure.reason}; trimmed from the stream before it could be retried")
        elif not taken:
            heapq.heappush(self._due, time.monotonic() + wait)
            logger.warning(
                "%s failed in delivery %d of %d, and is retried in %g s: %s",
                _described(entry), entry.deliveries, self._max_deliveries, wait, failure.reason,
            )  # fmt: skip

    def _bury(self, entry: Entry, reason: str) -> None:
        with self._lease.lock:
            self._lease.let_go(entry.id)
            buried = self._group.bury(entry, reason[:LONGEST_REASON], self._max_dead_letters)
        if buried:
            self.counts.dead_letters += 1
            logger.error("%s is now a dead letter in %s: %s", _described(entry), self._group.dead_letters, reason)

    def _create_again(self) -> bool:
        """Return whether the stream was gone, and the group is there again: whatever is in it is new."""
        try:
            created = self._group.create("0")
        except RedisError:
            return False
        if created:
            logger.warning("%s was deleted; it begins again", self._group)
        return True

    def _wait_for_redis(self, error: RedisError, problems: int) -> None:
        wait = min(BACKOFF[0] * 2 ** (problems - 1), BACKOFF[1])
        logger.warning("Redis at %s: %s. Trying again in %g s", self._place, _text(error), wait)
        self._rest(wait)
        # Consumers that live renew what they have first.
        self._next_sweep = time.monotonic() + self._seconds / 2
        self._idle_since = time.monotonic()

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping and time.monotonic() < until:
            time.sleep(0.05)

    def _leave(self) -> None:
        """Acknowledge what is finished, give back what was not begun, and remove the name."""
        try:
            self._lease.acknowledge()
            if self._todo:
                self._group.release([one.id for one in self._todo])
            self._group.forget(self._seconds, leaving=True)
        except RedisError as error:
            logger.warning("Redis at %s: %s. What is not acknowledged is delivered again", self._place, _text(error))


def _described(entry: Entry) -> str:
    try:
        event = msgspec.json.decode((entry.fields or {})[FIELD])
        return f"event {event['id']} ({event['type']})"
    except (KeyError, TypeError, ValueError, RecursionError):  # not an event of ours
        return f"entry {entry.id.decode()}"


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
