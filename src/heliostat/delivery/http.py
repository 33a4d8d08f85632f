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
from heliostat.delivery.destinations import Destination, NoDestination
from heliostat.delivery.kinds import Deliver, Job, SubscriberKind, kind_of
from heliostat.delivery.request import CurlHandle, HttpRequest
from heliostat.delivery.resolver import Resolver
from heliostat.exceptions import HeliostatError

IDLE_WAIT = 1.0  # seconds; libcurl says when it wants to be called earlier


class HttpTransport:
    """Sends jobs over kept connections, signed, guarded, bounded in time and size."""

    def __init__(self) -> None:
        self.slots = conf.concurrency
        self._waiting: deque[HttpRequest] = deque()
        self._in_flight: dict[Any, CurlHandle] = {}
        self._spare: list[CurlHandle] = []
        self._resolver: Resolver[HttpRequest] = Resolver(self._wake)
        self._stopping = threading.Event()
        self._poll = select.epoll()
        self._resting: set[int] = set()
        self._reader, self._writer = os.pipe()
        self._thread = threading.Thread(target=self._run, name="heliostat-http", daemon=True)

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self._thread.start()

    def send(self, jobs: list[Job]) -> None:
        """Called by the worker's own thread, which may ask the database where the jobs go."""
        names: dict[HttpKind, set[str]] = {}
        for job in jobs:
            kind = kind_of(job.claimed.subscriber)
            assert isinstance(kind, HttpKind)
            names.setdefault(kind, set()).add(job.claimed.subscriber)
        destinations = {name: found for kind in names for name, found in kind.destinations(names[kind]).items()}
        self._waiting.extend(HttpRequest(job, destinations[job.claimed.subscriber]) for job in jobs)
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
        self._wake_at: float | None = None
        self._poll.register(self._reader, select.EPOLLIN)
        while not (self._stopping.is_set() and not self._waiting and not self._in_flight and not self._resolver):
            self._turn()
        self._resolver.close()
        multi.close()
        self._poll.close()

    def _turn(self) -> None:
        for descriptor, happened in self._poll.poll(self._wait()):
            if descriptor == self._reader:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._reader, 4096)
            elif descriptor in self._resting:
                self._let_go(descriptor)
            else:
                self._multi.socket_action(descriptor, _as_curl(happened))
        if self._wake_at is not None and time.monotonic() >= self._wake_at:
            self._wake_at = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._begin()
        self._collect()

    def _wait(self) -> float:
        if self._waiting:
            return 0.0
        until = min(filter(None, (self._wake_at, self._resolver.next_deadline())), default=None)
        return IDLE_WAIT if until is None else max(0.0, min(IDLE_WAIT, until - time.monotonic()))

    def _set_timer(self, milliseconds: int) -> None:
        self._wake_at = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000

    def _watch(self, what: int, descriptor: int, *_: Any) -> None:
        """libcurl wants to know of a socket. One that rests between two requests stays with epoll, which saves two
        calls a request; should it be closed, epoll forgets it by itself."""
        if what == pycurl.POLL_REMOVE:
            self._resting.add(descriptor)
            return
        self._resting.discard(descriptor)
        events = (select.EPOLLIN if what & pycurl.POLL_IN else 0) | (select.EPOLLOUT if what & pycurl.POLL_OUT else 0)
        try:
            self._poll.modify(descriptor, events)
        except FileNotFoundError:
            self._poll.register(descriptor, events)

    def _let_go(self, descriptor: int) -> None:
        """A resting connection was closed by its receiver; libcurl finds that out when it wants it next."""
        self._resting.discard(descriptor)
        with contextlib.suppress(OSError):
            self._poll.unregister(descriptor)

    def _begin(self) -> None:
        for request, resolution in self._resolver.ready():
            request.resolution = resolution
            self._begin_one(request)
        for _ in range(len(self._waiting)):
            request = self._waiting.popleft()
            if request.address:
                request.resolution = self._resolver.resolve(request.address, request)
            if request.resolution or not request.address:  # else it waits for its addresses, and is `ready` later
                self._begin_one(request)

    def _begin_one(self, request: HttpRequest) -> None:
        handle = self._spare.pop() if self._spare else CurlHandle()
        if (problem := handle.begin(request)) is not None:
            self._spare.append(handle)
            self._deliver(problem)
            return
        self._in_flight[handle.curl] = handle
        self._multi.add_handle(handle.curl)

    def _collect(self) -> None:
        remaining = 1
        while remaining:
            remaining, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._finish(curl, 0, "")
            for curl, code, message in failed:
                self._finish(curl, code, message)

    def _finish(self, curl: Any, code: int, message: str) -> None:
        handle = self._in_flight.pop(curl)
        self._multi.remove_handle(curl)
        result = handle.request.result(curl, code, message)
        self._spare.append(handle)
        self._deliver(result)


class HttpKind(SubscriberKind, ABC):
    """Subscribers that are receivers of HTTP requests."""

    transport = HttpTransport

    @abstractmethod
    def destinations(self, subscribers: Collection[str]) -> Mapping[str, Destination | NoDestination]:
        """Return where each of these subscribers is, as it is now. May ask the database."""


def _as_curl(happened: int) -> int:
    """epoll's events in libcurl's words. A hang-up is readable: what came before it can still be read."""
    mask = pycurl.CSELECT_IN if happened & (select.EPOLLIN | select.EPOLLHUP) else 0
    mask |= pycurl.CSELECT_OUT if happened & select.EPOLLOUT else 0
    return mask | (pycurl.CSELECT_ERR if happened & select.EPOLLERR else 0)
