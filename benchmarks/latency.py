"""(c) From the return of a commit to the arrival at the receiver: idle, and at half of what a worker can do.

The one who saves, the worker and the receiver are three processes, as in production.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.bench import Bench, Receiver, outcome, receiver
from benchmarks.deliveries import drain
from benchmarks.figures import at_most, percentile

TITLE = "(c) from commit to receiver"
PROBES = 300
PAUSE = 0.02  # seconds between two probes
LATEST = 60.0


def measure(bench: Bench) -> None:
    for name in bench.databases:
        with receiver() as there:
            able = drain(bench, name, there.urls())["clock"]
        note(bench, f"{name} idle", probe(bench, name))
        note(bench, f"{name} loaded", probe(bench, name, load=able / 2))
        bench.figures.add(f"{name} load", able / 2)


def note(bench: Bench, key: str, waits: list[float]) -> None:
    for percent in (50, 99):
        bench.figures.add(f"{key} p{percent}", percentile(waits, percent))


def probe(bench: Bench, name: str, load: float = 0.0, slow: str = "") -> list[float]:
    """Milliseconds from commit to receiver, of saves one after the other.

    `load`: callbacks a second to another receiver meanwhile. `slow`: address of a receiver for which many wait.
    """
    with receiver() as quick, receiver() as other:
        hooks = [quick.urls("probe")[0], other.urls()[0], slow]
        bench.child("benchmarks.latency:fill", *hooks, on=name)
        worker = bench.start("benchmarks.latency:work", on=name)
        try:
            committed = bench.child("benchmarks.latency:save", bench.amount(PROBES), load, on=name)
            arrived = _arrived(quick, len(committed))
        finally:
            outcome(worker)
    return [(arrived[key] - at) * 1000 for key, at in committed.items()]


def _arrived(quick: Receiver, count: int) -> dict[str, float]:
    latest = time.monotonic() + LATEST
    while len(arrived := quick.ask("arrived")) < count + 1:  # one is the first, that shows that all is running
        if time.monotonic() > latest:
            raise SystemExit(f"only {len(arrived)} of {count} came")
        time.sleep(0.1)
    return dict(arrived)


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    for name in bench.databases:
        load = f"at {figures.median(f'{name} load'):,.0f} a second"
        for key, label in ((f"{name} idle", "idle"), (f"{name} loaded", load)):
            yield f"  {name:<11} {label:<20} {line(bench, key)}"
        if name == "PostgreSQL":
            yield at_most("p50, idle", figures.median(f"{name} idle p50"), 2, "ms", 2)
            yield at_most("p99, idle", figures.median(f"{name} idle p99"), 10, "ms", 2)


def line(bench: Bench, key: str) -> str:
    p50, p99 = (bench.figures.text(f"{key} p{percent}", "ms", 2) for percent in (50, 99))
    return f"p50 {p50:<28} p99 {p99}"


def fill(probe: str, other: str, slow: str, waiting: int = 3000) -> None:
    """Create a hook that saves notify, and others that only have callbacks that wait."""
    from benchmarks.work import ask, clean, fill_outbox

    clean()
    ask([probe])
    rest = ask([other, *([slow] if slow else [])])
    for hook in rest:  # no save notifies them, and nothing is deleted
        hook.signals = ["deleted"]
        hook.save()
    if slow:
        fill_outbox(waiting, rest[1:])


def work() -> None:
    """Run until the parent process closes the input."""
    import threading

    from heliostat.delivery.worker import Worker

    worker = Worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    sys.stdin.read()
    worker.stop()
    thread.join()


def save(probes: int, load: float) -> dict[str, float]:
    """When the commit of each save returned, by the object's key."""
    from benchmarks.models import save_one
    from heliostat.webhooks.models import Hook

    other = Hook.objects.order_by("pk")[1]
    _wait_for_first(save_one(0))
    committed: dict[str, float] = {}
    began = time.monotonic()
    for index in range(probes):
        _load_later(load * PAUSE, other)
        vehicle = save_one(index)
        committed[str(vehicle.pk)] = time.monotonic()
        time.sleep(max(0.0, began + (index + 1) * PAUSE - time.monotonic()))
    return committed


def _load_later(count: float, hook: Any) -> None:
    from benchmarks.work import fill_outbox

    if count:
        fill_outbox(round(count), [hook])
        time.sleep(PAUSE / 4)  # the probe comes while these are on their way


def _wait_for_first(vehicle: Any) -> None:
    from heliostat.outbox.models import Callback

    latest = time.monotonic() + LATEST
    while not Callback.objects.filter(event__object_id=str(vehicle.pk), status="sent").exists():
        if time.monotonic() > latest:
            raise SystemExit("the worker sent nothing")
        time.sleep(0.05)
