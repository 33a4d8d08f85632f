"""(d) A receiver that needs half a second for each answer, with thousands waiting, beside a quick one."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench, receiver
from benchmarks.figures import at_most
from benchmarks.latency import line, note, probe

TITLE = "(d) a quick receiver beside a slow one for which 3,000 wait: from commit to the quick one"
DELAY = 0.5


def measure(bench: Bench) -> None:
    for name in bench.databases:
        note(bench, f"{name} alone", probe(bench, name))
        with receiver(delay=DELAY) as slow:
            note(bench, f"{name} beside", probe(bench, name, slow=slow.urls()[0]))


def table(bench: Bench) -> Iterator[str]:
    for name in bench.databases:
        for key, label in (("alone", "alone"), ("beside", "beside the slow one")):
            yield f"  {name:<11} {label:<20} {line(bench, f'{name} {key}')}"
        ratio = bench.figures.ratio(f"{name} beside p99", f"{name} alone p99")
        yield at_most("p99 beside the slow one", ratio, 2, "x alone", 2)
