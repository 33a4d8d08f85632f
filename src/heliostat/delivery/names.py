"""Names of receivers become addresses here: looked up aside, judged as a whole, and handed to libcurl ready-made.

libcurl's own look-ups share some twenty threads, so that a few names whose servers do not answer would delay everybody;
and it dials the addresses of an answer one by one, so that it cannot refuse a name for a private one among public ones.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from heliostat.conf import conf
from heliostat.delivery.guard import why_forbidden

FRESH = 60.0  # seconds for which an answer counts
FAILED = 5.0  # and for which none is asked for again
AT_ONCE = 64  # look-ups; further ones wait for these
DIALLED = 16  # addresses of a receiver, at most
REMEMBERED = 10_000

Place = tuple[str, int]
"""A host that is a name, and a port."""

T = TypeVar("T")


@dataclass(slots=True)
class Found:
    """What became of a name: addresses that may be dialled, or the `problem`; counts `until` (`time.monotonic()`).

    `told` says that libcurl knows the addresses already.
    """

    addresses: tuple[str, ...] = ()
    problem: str = ""
    until: float = 0.0
    told: bool = False


@dataclass(slots=True)
class _Patient(Generic[T]):
    """Those who wait for one name, and how long they do."""

    until: float
    waiting: list[T] = field(default_factory=list)


class Names(Generic[T]):
    """Addresses by name, for one thread that must never wait: it leaves behind what needs an address, and is woken."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._known: dict[Place, Found] = {}
        self._patients: dict[Place, _Patient[T]] = {}  # in the order in which they came, and so of their deadlines
        self._asked: set[Place] = set()
        self._lock = threading.Lock()  # for what the threads touch, below
        self._queue: deque[Place] = deque()
        self._answers: deque[tuple[Place, Found]] = deque()
        self._threads = 0
        self._closed = False

    def __len__(self) -> int:
        """How many wait."""
        return sum(len(patient.waiting) for patient in self._patients.values())

    def find(self, place: Place, who: T) -> Found | None:
        """What is known of this name; or None, and `who` is among the `ready` in a while."""
        found = self._known.get(place)
        if found and (found.until > time.monotonic() or (found.problem and place in self._asked)):
            return found
        if place not in self._patients:
            self._patients[place] = _Patient(time.monotonic() + conf.connect_timeout)
            self._ask(place)
        self._patients[place].waiting.append(who)
        return None

    def ready(self) -> list[tuple[T, Found]]:
        """Those who need to wait no more, and what was found, if only that no answer came in time."""
        served: list[tuple[T, Found]] = []
        while self._answers:
            place, found = self._answers.popleft()
            self._asked.discard(place)
            served += self._serve(place, found)
        now = time.monotonic()
        for place in [place for place, patient in self._patients.items() if patient.until <= now]:
            problem = f"no answer from DNS within {conf.connect_timeout:g} s"
            served += self._serve(place, Found(problem=problem, until=now + FAILED))
        return served

    def next_deadline(self) -> float | None:
        """When somebody's patience ends (`time.monotonic()`), if anybody waits."""
        return next((patient.until for patient in self._patients.values()), None)

    def close(self) -> None:
        """Nobody is woken any more: a look-up that hangs may end long after everything else."""
        with self._lock:
            self._closed = True
            self._queue.clear()

    def _serve(self, place: Place, found: Found) -> list[tuple[T, Found]]:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[place] = found
        patient = self._patients.pop(place, None)
        return [(who, found) for who in patient.waiting] if patient else []

    def _ask(self, place: Place) -> None:
        if place in self._asked:  # and hangs
            return
        self._asked.add(place)
        with self._lock:
            self._queue.append(place)
            if self._threads < AT_ONCE:
                self._threads += 1
                threading.Thread(target=self._look_up_all, name="heliostat-dns", daemon=True).start()

    def _look_up_all(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._threads -= 1
                    return
                place = self._queue.popleft()
            found = look_up(*place)
            with self._lock:
                if not self._closed:
                    self._answers.append((place, found))
                    self._wake()


def look_up(host: str, port: int) -> Found:
    """Ask the system, which may take its time. One forbidden address spoils the whole answer."""
    try:
        answer = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        return Found(problem=f"the name has no address: {error}", until=time.monotonic() + FAILED)
    addresses = tuple(dict.fromkeys(str(concrete[0]) for *_, concrete in answer))
    why = next(filter(None, map(why_forbidden, addresses)), None)
    if why:
        return Found(problem=refusal(why), until=time.monotonic() + FAILED)
    return Found(addresses[:DIALLED], until=time.monotonic() + FRESH)


def refusal(why: str) -> str:
    """What an operator reads of an address that is not dialled."""
    return f"address refused: {why}. HELIOSTAT_ALLOW_NETWORKS can allow a network of your own."


@lru_cache(REMEMBERED)
def place_of(url: str) -> Place | None:
    """The name and port that must be looked up before this address is called; None where it needs no DNS."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return None if not host or is_literal(host) else (host, port)


def is_literal(host: str) -> bool:
    """Whether a host is an address, in whatever spelling (`127.0.0.1`, `2130706433`, `0x7f.1`, `::1`)."""
    if ":" in host:
        return True
    try:
        socket.inet_aton(host)
    except (OSError, UnicodeError):
        return False
    return True


def for_libcurl(place: Place, found: Found) -> list[str]:
    """The addresses in the words of CURLOPT_RESOLVE."""
    host, port = place
    listed = ",".join(f"[{address}]" if ":" in address else address for address in found.addresses)
    return [f"{host}:{port}:{listed}"]
