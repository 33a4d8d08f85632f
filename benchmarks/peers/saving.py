"""A save without any of them, and the same with one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.models import save_one
from benchmarks.work import clean, timed

WARM = 20


def bare(saves: int) -> dict[str, float]:
    clean()
    return saved("bare", saves)


def saved(key: object, saves: int, save: Callable[[int], Any] = save_one) -> dict[str, float]:
    timed(save, WARM)
    return {f"save {key} {kind}": value for kind, value in timed(save, saves).items()}
