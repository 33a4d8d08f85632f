"""The heartbeat: a thread that keeps other consumers from taking over what is in hand here."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from redis.exceptions import RedisError

from heliostat.queues.consuming.group import Group

BEATS = 3  # in a lease


class Lease:
    """The entries in hand. They are renewed three times in a lease of so many seconds, however long a handler takes."""

    def __init__(self, group: Group, seconds: float) -> None:
        self._group, self._seconds = group, seconds
        self._ids: dict[bytes, None] = {}
        self._taken: set[bytes] = set()
        self._finished: deque[bytes] = deque()
        self._renewed = 0.0
        self.lock = threading.Lock()
        """Held while entries are renewed, so that none is renewed after it was let go."""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def hold(self, ids: Iterable[bytes], since: float) -> None:
        """Take entries in hand that were read after `since`, on the monotonic clock. Acknowledge the others before."""
        with self.lock:
            self._ids, self._taken, self._renewed = dict.fromkeys(ids), set(), since

    def is_taken(self, id: bytes, now: float) -> bool:
        """Return whether another consumer took this entry over, because this process stood still for too long.

        Ask before a handler begins. Where the last heartbeat is old, renew first; this may raise `RedisError`.
        """
        if now - self._renewed > self._seconds / 2:
            with self.lock:
                self._renew()
        return id in self._taken

    def let_go(self, id: bytes) -> None:
        """Renew this entry no longer. Hold the lock until the server knows what follows."""
        self._ids.pop(id, None)

    def finish(self, id: bytes) -> None:
        """Mark an entry as handled. `acknowledge`, or the next heartbeat, acknowledges it."""
        self._finished.append(id)

    def acknowledge(self) -> None:
        """Acknowledge what is finished."""
        if self._finished:
            with self.lock:
                self._acknowledge()

    def _acknowledge(self) -> None:
        ids = list(self._finished)
        if ids:
            self._group.acknowledge(ids)
        for id in ids:
            self._finished.popleft()
            self._ids.pop(id, None)

    def _renew(self) -> None:
        began = time.monotonic()
        if self._ids:
            self._taken |= self._group.renew(list(self._ids))
        self._renewed = began

    def _beat(self) -> None:
        wait = self._seconds / BEATS
        while not self._ended.wait(wait):
            try:
                with self.lock:
                    self._acknowledge()
                    self._renew()
                wait = self._seconds / BEATS
            except RedisError:  # the consumer reports it; nobody else can take entries over meanwhile
                wait = min(0.5, self._seconds / BEATS)
