"""What `use` may name besides a module with `load_from_config`."""

from __future__ import annotations

from typing import Any

from heliostat.listeners import ListenerBase
from heliostat.listeners.digest import Digest

calls: list[tuple[str, Any]] = []


class Painter(ListenerBase):
    """A class: it is called with the settings of the section."""

    def __init__(self, colour: str, size: int = 1) -> None:
        self.colour = colour
        self.size = size

    def __call__(self, event: Any) -> None:
        calls.append((self.colour, event))


class Plain:
    """A class of no base of ours."""

    def __call__(self, event: Any) -> None:
        calls.append(("plain", event))


class Silent:
    """Its objects cannot be called."""


def function(event: Any) -> None:
    calls.append(("function", event))


async def coroutine(event: Any) -> None:
    calls.append(("coroutine", event))


class Asynchronous:
    """Its objects make coroutines."""

    async def __call__(self, event: Any) -> None:
        calls.append(("asynchronous", event))


def generator(event: Any) -> Any:
    calls.append(("generator", event))
    yield


NUMBER = 7


def veto(event: Any) -> None:
    if len(event.impacted_objects) > 1:
        raise ValueError(f"{len(event.impacted_objects)} are too many")


def raises(_event: Any) -> None:
    raise OSError("no network here")


class Wordless(Exception):
    """An error that cannot be made a text."""

    def __str__(self) -> str:
        raise RuntimeError


def wordless(_event: Any) -> None:
    raise Wordless


class WordlessDigest(Digest):
    """A digest that fails without a text."""

    minutes = 10.0

    def send(self, events: Any) -> None:
        raise Wordless


def rubbish(_event: Any) -> Any:
    return object()
