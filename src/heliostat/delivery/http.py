"""HTTP by pycurl's multi interface: one loop on one thread, however many requests are in flight."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Collection, Mapping
from typing import Any

import pycurl

from heliostat.conf import conf
from heliostat.delivery.kinds import Deliver, Job, SubscriberKind, kind_of
from heliostat.delivery.request import CurlHandle, Destination, NoDestination
from heliostat.delivery.resolver import HostPort, Resolution, Resolver, host_and_port
from heliostat.exceptions import HeliostatError

IDLE_WAIT = 1.0  # seconds; libcurl says when it wants to be called earlier

Request = tuple[Job, Destination | NoDestination, HostPort | None]
"""A job, where it goes, and the name that is looked up for it, if any."""


class HttpTransport:
    """Sends jobs over kept connections, signed, guarded, bounded in time and size."""

    def __init__(self, deliver: Deliver) -> None:
        self.slots = conf.concurrency
        self._deliver = deliver
        self._waiting: deque[Request] = deque()
        self._in_flight: dict[Any, CurlHandle] = {}
        self._spare: list[CurlHandle] = []
        self._resolver = Resolver(self._wake)
        self._stopping = threading.Event()
        self._poll = select.epoll()
        self._watched: dict[int, int] = {}  # the events that epoll watches, by descriptor
        self._resting: set[int] = set()
        self._wake_at: float | None = None
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._run, name="heliostat-http", daemon=True)
        self._thread.start()

    def send(self, jobs: list[Job]) -> None:
        """Send jobs of one kind. Called by the worker's own thread, which may ask the database where they go."""
        kind = kind_of(jobs[0].claimed.subscriber)
        assert isinstance(kind, HttpKind)
        destinations = kind.destinations({job.claimed.subscriber for job in jobs})
        for job in jobs:
            destination = destinations[job.claimed.subscriber]
            address = host_and_port(destination.url) if isinstance(destination, Destination) else None
            self._waiting.append((job, destination, address))
        self._wake()

    def check(self) -> None:
        if not self._thread.is_alive():
            raise HeliostatError("the HTTP thread died; its traceback is in the log. The worker ends, to be restarted.")

    def stop(self) -> None:
        self._stopping.set()
        self._wake()
        self._thread.join()
        os.close(self._reader)  # not by the thread: it may end before it is woken
        os.close(self._writer)

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full: it will wake up anyhow
            os.write(self._writer, b"x")

    def _run(self) -> None:
        self._multi = multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        multi.setopt(pycurl.M_MAXCONNECTS, 2 * conf.concurrency)  # below what is in flight, connections are lost
        self._poll.register(self._reader, select.EPOLLIN)
        while not self._stopping.is_set() or self._waiting or self._in_flight or self._resolver.next_deadline():
            self._turn()
        self._resolver.close()
        multi.close()
        self._poll.close()

    def _turn(self) -> None:
        wait = 0.0 if self._waiting else IDLE_WAIT
        if deadline := min(filter(None, (self._wake_at, self._resolver.next_deadline())), default=None):
            wait = max(0.0, min(wait, deadline - time.monotonic()))
        for descriptor, events in self._poll.poll(wait):
            if descriptor == self._reader:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._reader, 4096)
            elif descriptor in self._resting:  # closed by its receiver; libcurl finds out when it wants it next
                self._resting.discard(descriptor)
                self._watched.pop(descriptor, None)
                with contextlib.suppress(OSError):
                    self._poll.unregister(descriptor)
            else:  # a hang-up is readable: what came before it can still be read
                mask = pycurl.CSELECT_IN if events & (select.EPOLLIN | select.EPOLLHUP) else 0
                mask |= pycurl.CSELECT_OUT if events & select.EPOLLOUT else 0
                mask |= pycurl.CSELECT_ERR if events & select.EPOLLERR else 0
                self._multi.socket_action(descriptor, mask)
        if self._wake_at is not None and time.monotonic() >= self._wake_at:
            self._wake_at = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._begin_waiting()
        self._finish_ended()

    def _set_timer(self, milliseconds: int) -> None:
        self._wake_at = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _watch(self, what: int, descriptor: int, *_: Any) -> None:
        """Watch a connection for libcurl. One that rests stays watched: it is used again soon, for the same events.

        When libcurl closes a descriptor, epoll forgets it by itself; its number is of another connection only after
        `_forget`.
        """
        if what == pycurl.POLL_REMOVE:
            self._resting.add(descriptor)
            return
        self._resting.discard(descriptor)
        events = (select.EPOLLIN if what & pycurl.POLL_IN else 0) | (select.EPOLLOUT if what & pycurl.POLL_OUT else 0)
        if self._watched.get(descriptor) == events:
            return
        self._watched[descriptor] = events
        try:
            self._poll.modify(descriptor, events)
        except FileNotFoundError:
            self._poll.register(descriptor, events)

    def _forget(self, descriptor: int, _purpose: int) -> int:
        """Forget the connection that had this descriptor before: it is that of a new one."""
        self._watched.pop(descriptor, None)
        return pycurl.SOCKOPT_OK  # type: ignore[no-any-return]

    def _begin_waiting(self) -> None:
        ready: list[tuple[Request, Resolution | None]] = [*self._resolver.ready()]
        for _ in range(len(self._waiting)):
            request = self._waiting.popleft()
            address = request[-1]
            resolution = self._resolver.resolve(address, request) if address else None
            if resolution or not address:  # else it waits for its addresses, and is `ready` later
                ready.append((request, resolution))
        for request, resolution in ready:
            handle = self._spare.pop() if self._spare else CurlHandle(self._forget)
            if (problem := handle.begin(*request, resolution)) is None:
                self._in_flight[handle.curl] = handle
                self._multi.add_handle(handle.curl)
            else:
                self._spare.append(handle)
                self._deliver(problem)

    def _finish_ended(self) -> None:
        remaining = 1
        while remaining:
            remaining, succeeded, failed = self._multi.info_read()
            for curl, code, message in [*((curl, 0, "") for curl in succeeded), *failed]:
                handle = self._in_flight.pop(curl)
                self._multi.remove_handle(curl)
                result = handle.end(code, message)
                self._spare.append(handle)
                self._deliver(result)


class HttpKind(SubscriberKind, ABC):
    """Subscribers that are receivers of HTTP requests."""

    transport = HttpTransport

    @abstractmethod
    def destinations(self, subscribers: Collection[str]) -> Mapping[str, Destination | NoDestination]:
        """Return where each of these subscribers is, as it is now. May ask the database."""
