"""(e) 1,000,000 waiting callbacks: the worker's memory, what a claim costs, a sample sent. Once a run."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Iterator

from benchmarks.bench import Bench, receiver
from benchmarks.figures import at_most, percentile

FEW, MANY = 1000, 1_000_000
SAMPLE = 5000
RECEIVERS = 50
CLAIMS = 40
TITLE = "(e) 1,000,000 waiting callbacks (100,000 when quick) to 50 receivers"


def measure(bench: Bench) -> None:
    if any(f"{name} backlog memory" in bench.figures for name in bench.databases):
        return
    many = MANY // 10 if bench.quick else MANY
    for name in bench.databases:
        with receiver(RECEIVERS) as there:
            found = bench.child("benchmarks.backlog:claims", FEW, many, there.urls(), on=name)
            found |= bench.child("benchmarks.backlog:sample", bench.amount(SAMPLE), on=name)
        for key, value in found.items():
            bench.figures.add(f"{name} backlog {key}", value)


def table(bench: Bench) -> Iterator[str]:
    for name in bench.databases:
        few, many, memory, core, clock = (
            bench.figures.median(f"{name} backlog {key}") for key in ("few", "many", "memory", "core", "clock")
        )
        yield (
            f"  {name:<11} claim of 200: {few:.2f} ms of {FEW:,} waiting, {many:.2f} ms of the backlog; "
            f"sample: {core:,.0f} a second and core, {clock:,.0f} a second by the clock; memory {memory:,.0f} MB"
        )
        yield at_most("memory", memory, 200, "MB", 0)
        yield at_most("a claim", many / few, 1.1, f"x of {FEW:,}", 2)


def claims(few: int, many: int, urls: list[str]) -> dict[str, float]:
    """Milliseconds of a claim of 200 over all hooks, with few waiting and with many."""
    from benchmarks.work import ask, clean, fill_outbox

    clean()
    hooks = ask(urls)
    fill_outbox(few, hooks)
    names = [hook.subscriber for hook in hooks]
    before = _claim(names)
    _double_until(many)
    return {"few": before, "many": _claim(names)}


def _claim(names: list[str]) -> float:
    from heliostat.outbox import transitions
    from heliostat.outbox.dialect import dialect_for
    from heliostat.outbox.models import Callback

    times = []
    for _ in range(CLAIMS):
        began = time.perf_counter()
        dialect_for("default").due_subscribers("", 100)
        claimed = transitions.claim(dict.fromkeys(names, 200 // len(names)), "default")
        times.append((time.perf_counter() - began) * 1000)
        assert len(claimed) == 200, len(claimed)
        taken = Callback.objects.filter(pk__in=[one.id for one in claimed])
        taken.update(status="waiting", attempts=0, claim_token=None, lease_until=None)
    return percentile(times, 50)


def _double_until(many: int) -> None:
    from django.db import connection

    from heliostat.outbox.models import Callback

    table = Callback._meta.db_table
    columns = ", ".join(field.column for field in Callback._meta.concrete_fields if not field.primary_key)
    waiting = Callback.objects.count()
    with connection.cursor() as cursor:
        while waiting < many:
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} LIMIT {min(waiting, many - waiting)}"
            )
            waiting = Callback.objects.count()
        if connection.vendor == "postgresql":
            cursor.execute(f"VACUUM ANALYZE {table}")  # as its own would do in the time that so many need to come about


def sample(count: int) -> dict[str, float]:
    """A worker sends so many of the backlog, and stops. `memory`: megabytes at its peak."""
    from heliostat.delivery.worker import Worker

    worker = Worker()
    thread = threading.Thread(target=worker.run)
    began, cpu = time.monotonic(), time.process_time()
    thread.start()
    while worker.outcomes["sent"] < count:
        time.sleep(0.02)
    sent, cpu, wall = worker.outcomes["sent"], time.process_time() - cpu, time.monotonic() - began
    worker.stop()
    thread.join()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"memory": memory, "core": sent / cpu, "clock": sent / wall}
