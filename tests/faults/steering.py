"""Names that lead wherever a test wants: it answers for the system's resolver."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

Answer = Callable[[], list[str]]


class Steering:
    """`names[host]` is asked each time the host is looked up. Other names do not exist."""

    def __init__(self) -> None:
        self.names: dict[str, Answer] = {}
        self.asked: Counter[str] = Counter()
        self.over = threading.Event()

    def lead(self, host: str, *addresses: str) -> None:
        self.names[host] = lambda: list(addresses)

    def hang(self, host: str) -> None:
        """Nobody answers while the test lasts."""

        def wait() -> list[str]:
            self.over.wait(60)
            return []

        self.names[host] = wait

    def getaddrinfo(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked[host] += 1
        addresses = self.names[host]() if host in self.names else []
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, port)) for one in addresses]


@contextmanager
def steered_names() -> Iterator[Steering]:
    steering = Steering()
    with patch("heliostat.delivery.resolver.socket.getaddrinfo", steering.getaddrinfo):
        try:
            yield steering
        finally:
            steering.over.set()
