"""Functions that tests attach at hook points."""

from __future__ import annotations

import sys
import time
from typing import Any

calls: list[tuple[str, tuple[Any, ...]]] = []

not_a_function = 5


def simple(vehicle: Any, speed: float) -> None:
    calls.append(("simple", (vehicle, speed)))


def second(vehicle: Any, speed: float) -> None:
    calls.append(("second", (vehicle, speed)))


def slow(vehicle: Any, speed: float) -> None:
    time.sleep(0.3)


def failing(vehicle: Any, speed: float) -> None:
    raise RuntimeError("this hook fails")


def exiting(vehicle: Any, speed: float) -> None:
    sys.exit(1)


def wrong_arguments(vehicle: Any) -> None: ...


def of_many(vehicles: list[Any]) -> None:
    calls.append(("of_many", tuple(vehicles)))


def on_crash(vehicle: Any) -> None:
    calls.append(("on_crash", (vehicle,)))


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError("even its message fails")


def failing_unspeakably(vehicle: Any, speed: float) -> None:
    raise Unspeakable


async def coroutine(vehicle: Any, speed: Any) -> None:
    """Nobody awaits it."""
