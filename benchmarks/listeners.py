"""(l) Saving an object with listeners that do not match, and with listeners that match and do nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator

from benchmarks.bench import HELIOSTAT, Bench
from benchmarks.figures import at_most

TITLE = "(l) save with listeners: CPU of the saving process, and what each listener adds"
LISTENERS = (1, 10, 100)
SAVES, WARM, TURNS = 2000, 50, 5
APPS = (*HELIOSTAT, "heliostat.listeners")
KINDS = {"do not match": ["delete"], "match": ["create"]}


def measure(bench: Bench) -> None:
    name = next(iter(bench.databases))
    for kind, actions in {"": [], **KINDS}.items():
        for count in LISTENERS if kind else (0,):
            sections = {
                f"l{number}": {"use": "benchmarks.listeners.nothing", "resources": ["vehicle"], "actions": actions}
                for number in range(count)
            }
            found = bench.child(
                "benchmarks.listeners:save",
                bench.amount(SAVES),
                on=name,
                apps=APPS,
                BENCH_LISTENERS=json.dumps(sections),
            )
            bench.figures.add(f"listeners {kind} {count}", found)


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    yield f"  none: {figures.text('listeners  0', 'µs')}"
    for kind in KINDS:
        for count in LISTENERS:
            key = f"listeners {kind} {count}"
            added = (figures.median(key) - figures.median("listeners  0")) / count
            yield f"  {count:>3} that {kind:<13} {figures.text(key, 'µs'):<28} each adds {added:.2f} µs"
    added = (figures.median("listeners do not match 100") - figures.median("listeners  0")) / 100
    yield at_most("each of 100 that do not match adds", added, 1, "µs", 2)


def nothing(event: object) -> None:
    """A listener that does nothing."""


def save(saves: int) -> float:
    """Return microseconds of CPU a save: the median of several turns."""
    from benchmarks.figures import percentile
    from benchmarks.models import save_one
    from benchmarks.work import clean, timed

    clean()
    timed(save_one, WARM)
    return percentile([timed(save_one, saves // TURNS)["cpu"] for _ in range(TURNS)], 50)
