"""Resolve the names of receivers: aside, judged as a whole, and handed to libcurl.

libcurl's own look-ups share some twenty threads, so that a few names whose servers do not answer would delay all
receivers; and it tries the addresses of an answer one by one, so that it cannot refuse a name for one private address
among public ones.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from math import inf
from typing import Any
from urllib.parse import urlsplit

from heliostat.conf import conf
from heliostat.delivery.guard import why_forbidden

FRESH = 60.0  # seconds for which an answer counts
FAILED = 5.0  # seconds after a failure during which a name is not looked up again
AT_ONCE = 64  # look-ups; further ones wait for these
DIALLED = 16  # addresses of a receiver, at most
REMEMBERED = 10_000

HostPort = tuple[str, int]
"""A host that is a name, and a port."""


@dataclass(slots=True)
class Resolution:
    """The addresses of a name, or the `problem`; it counts `until` (`time.monotonic()`).

    `is_in_libcurl` says that libcurl has the addresses already.
    """

    addresses: tuple[str, ...] = ()
    problem: str = ""
    until: float = 0.0
    is_in_libcurl: bool = False


class Resolver:
    """Resolves names for one thread that never waits: `wake` is called when something is `ready()`.

    The threads that look up are daemons, not a pool of `concurrent.futures`: that would keep the process from ending
    while a name server does not answer.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._known: dict[HostPort, Resolution] = {}
        self._pending: dict[HostPort, tuple[float, list[Any]]] = {}  # until when who waits, in the order of deadlines
        self._lock = threading.Lock()  # for what the threads use, below
        self._queue: deque[HostPort] = deque()
        self._answers: deque[tuple[HostPort, Resolution]] = deque()
        self._threads = 0
        self._closed = False

    def resolve(self, address: HostPort, who: Any) -> Resolution | None:
        """Return what is known of a name. None: `who` is among the `ready()` later."""
        found = self._known.get(address)
        if found and found.until > time.monotonic():
            return found
        if address not in self._pending:
            self._pending[address] = time.monotonic() + conf.connect_timeout, []
            with self._lock:
                self._queue.append(address)
                if self._threads < AT_ONCE:
                    self._threads += 1
                    threading.Thread(target=self._look_up_all, name="heliostat-dns", daemon=True).start()
        self._pending[address][1].append(who)
        return None

    def ready(self) -> list[tuple[Any, Resolution]]:
        """Return who waits no longer, with what was found, or that no answer came in time."""
        ready: list[tuple[Any, Resolution]] = []
        while self._answers:
            address, found = self._answers.popleft()
            ready += self._learn(address, found)
        now = time.monotonic()
        for address in [address for address, (until, _) in self._pending.items() if until <= now]:
            problem = f"no answer from DNS within {conf.connect_timeout:g} s"
            ready += self._learn(address, Resolution(problem=problem, until=inf))  # until the look-up ends
        return ready

    def next_deadline(self) -> float | None:
        """Return when the first of those who wait gives up (`time.monotonic()`); None where nobody waits."""
        return next((until for until, _ in self._pending.values()), None)

    def close(self) -> None:
        """Stop calling `wake`: a look-up that hangs may end long after everything else."""
        with self._lock:
            self._closed = True
            self._queue.clear()

    def _learn(self, address: HostPort, found: Resolution) -> list[tuple[Any, Resolution]]:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[address] = found
        _, waiting = self._pending.pop(address, (0.0, []))
        return [(who, found) for who in waiting]

    def _look_up_all(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._threads -= 1
                    return
                address = self._queue.popleft()
            found = look_up(*address)
            with self._lock:
                if not self._closed:
                    self._answers.append((address, found))
                    self._wake()


def look_up(host: str, port: int) -> Resolution:
    """Look a name up by the system, which may take long. One forbidden address refuses the whole answer."""
    try:
        answer = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        return Resolution(problem=f"the name has no address: {error}", until=time.monotonic() + FAILED)
    addresses = tuple(dict.fromkeys(str(concrete[0]) for *_, concrete in answer))
    why = next(filter(None, map(why_forbidden, addresses)), None)
    if why:
        return Resolution(problem=refusal(why), until=time.monotonic() + FAILED)
    return Resolution(addresses[:DIALLED], until=time.monotonic() + FRESH)


def refusal(why: str) -> str:
    """Return the message about an address that is not dialled."""
    return f"address refused: {why}. HELIOSTAT_ALLOW_NETWORKS can allow a network of your own."


@lru_cache(REMEMBERED)
def host_and_port(url: str) -> HostPort | None:
    """Return name and port of a URL that must be looked up before it is called; None where it needs no DNS."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return None if not host or literal_address(host) else (host, port)


def literal_address(host: str) -> str | None:
    """Return the address that a host is, in any spelling (`2130706433`, `0x7f.1`, `::1`); None where it is a name."""
    with suppress(ValueError):
        return str(ip_address(host))
    with suppress(OSError, UnicodeError):
        return socket.inet_ntoa(socket.inet_aton(host))
    return None
