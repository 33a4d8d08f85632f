"""(b) Deliveries a second and core of the worker's CPU time: signed bodies of 1 KiB."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from benchmarks.bench import Bench, outcome, receiver
from benchmarks.figures import at_least

TITLE = "(b) deliveries of signed bodies of 1 KiB, up to 200 requests at once"
DELIVERIES = 8000
GOALS = {"PostgreSQL": 12_000, "SQLite": 15_000}


def measure(bench: Bench) -> None:
    for name in bench.databases:
        for receivers, workers in _cases(bench):
            with receiver(receivers) as there:
                found = drain(bench, name, there.urls(), workers)
            for key, value in found.items():
                bench.figures.add(f"{name} deliver {receivers} {workers} {key}", value)


def _cases(bench: Bench) -> list[tuple[int, int]]:
    """Receivers and workers."""
    return [(1, 1), (50, 1)] if bench.quick else [(1, 1), (50, 1), (1, 2), (50, 2)]


def drain(bench: Bench, name: str, urls: Sequence[str], workers: int = 1) -> dict[str, float]:
    """Publish, then let workers deliver all of it. `core`: a second of their CPU time; `clock`: a second."""
    count = bench.amount(DELIVERIES)
    size = bench.child("benchmarks.deliveries:fill", count, urls, on=name)
    children = [bench.start("benchmarks.deliveries:work", on=name, BENCH_PER_SUBSCRIBER="200") for _ in range(workers)]
    found = [outcome(child) for child in children]
    assert sum(one["sent"] for one in found) == count, found
    wall = max(one["ended"] for one in found) - min(one["began"] for one in found)
    cpu = sum(one["cpu"] for one in found)
    return {"core": count / cpu, "clock": count / wall, "cpu": cpu / count * 1e6, "size": size}


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    for name in bench.databases:
        yield f" {name}, {figures.median(f'{name} deliver 1 1 size'):,.0f} bytes"
        for receivers, workers in _cases(bench):
            key = f"{name} deliver {receivers} {workers}"
            who = f"{receivers} receiver{'s'[: receivers > 1]}, {workers} worker{'s'[: workers > 1]}"
            yield (
                f"  {who:<24} a second and core {figures.text(f'{key} core', ''):<28} "
                f"each {figures.text(f'{key} cpu', 'µs'):<20} a second by the clock {figures.text(f'{key} clock', '')}"
            )
        if name in GOALS:
            yield at_least("a second and core", figures.median(f"{name} deliver 1 1 core"), GOALS[name], "")
        for limit, other, what in ((1 / 3, "raw core", "the raw limit"), (40, "webhook2 core", "django-webhook2")):
            if other in figures:
                ratio = figures.ratio(f"{name} deliver 1 1 core", other)
                yield at_least("a second and core", ratio, round(limit, 3), f"x {what}", 2)


def fill(count: int, urls: list[str]) -> int:
    """Returns the size of a body in bytes."""
    from benchmarks.work import ask, clean, fill_outbox
    from heliostat.outbox.models import Event

    clean()
    fill_outbox(count, ask(urls))
    return len(Event.objects.values_list("body", flat=True)[0])


def work() -> dict[str, float]:
    from heliostat.delivery.worker import Worker

    began, cpu = time.monotonic(), time.process_time()
    outcomes = Worker().drain()
    return {"sent": outcomes["sent"], "began": began, "ended": time.monotonic(), "cpu": time.process_time() - cpu}
