"""One round of one measurement, in a process of its own so that rounds do not warm each other.

    python -m benchmarks.rounds save HOOKS | wrapper | deliver COUNT URL | latency COUNT URL

Prints one JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")

import django

django.setup()

from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from tests.example.models import Vehicle

from heliostat.delivery.worker import Worker
from heliostat.events import capture
from heliostat.outbox.models import Attempt, Callback, Event
from heliostat.webhooks.models import Hook

SAVES = 2000
PLAN = {"note": "x" * 560}  # makes the signed body about 1 KiB


def clean() -> None:
    call_command("migrate", run_syncdb=True, verbosity=0)
    for model in (Attempt, Callback, Event, Hook, Vehicle):
        connection.cursor().execute(f"DELETE FROM {model._meta.db_table}")


def add_hooks(count: int, url: str = "http://127.0.0.1:9/") -> None:
    model = ContentType.objects.get_for_model(Vehicle)
    for _ in range(count):
        Hook.objects.create(model=model, target=url)


def save_once(index: int) -> None:
    Vehicle.objects.create(name=f"bus {index}", plan=PLAN)


def timed(work: Callable[[int], Any], times: int) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    for index in range(times):
        work(index)
    return {
        "cpu_us": (time.process_time() - cpu) / times * 1e6,
        "wall_us": (time.perf_counter() - wall) / times * 1e6,
    }


def save(hooks: str) -> dict[str, float]:
    """Saving a new object; `bare` is Django alone, the wrapper taken off."""
    clean()
    if hooks == "bare":
        models.Model.save_base = capture_free()  # type: ignore[method-assign]
    else:
        add_hooks(int(hooks))
    timed(save_once, 100)
    with CaptureQueriesContext(connection) as queries:
        save_once(0)
    return {**timed(save_once, SAVES), "statements": len(queries)}


def wrapper() -> dict[str, float]:
    """What capture adds to a save that nobody asked about: the wrapper around nothing, less nothing."""
    clean()
    add_hooks(0)

    def nothing(self: object, *arguments: object) -> None: ...

    bus, wrapped, times = Vehicle(), capture._capturing(nothing), 200_000
    with_wrapper = timed(lambda _: wrapped(bus), times)["cpu_us"]
    without = timed(lambda _: nothing(bus), times)["cpu_us"]
    return {"cpu_us": with_wrapper - without}


def capture_free() -> Any:
    return models.Model.save_base.__wrapped__


def deliver(count: str, url: str) -> dict[str, float]:
    """Sending what waits: the worker's CPU time for each delivery, and how many a second on the wall clock."""
    clean()
    add_hooks(1, url)
    from django.db import transaction

    with transaction.atomic():
        for index in range(int(count)):
            save_once(index)
    size = len(Event.objects.values_list("body", flat=True)[0])
    cpu, wall = time.process_time(), time.perf_counter()
    told = Worker().drain()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert told == {"sent": int(count)}, told
    return {
        "cpu_us": cpu / int(count) * 1e6,
        "per_core_second": int(count) / cpu,
        "per_second": int(count) / wall,
        "body": size,
    }


def latency(count: str, url: str) -> dict[str, float]:
    """From the return of the commit to the arrival at the receiver, while idle."""
    clean()
    add_hooks(1, url)
    worker = Worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    time.sleep(1.5)
    committed = []
    for index in range(int(count)):
        save_once(index)
        committed.append(time.monotonic())
        time.sleep(0.02)
    time.sleep(1.0)
    worker.stop()
    thread.join()
    return {"committed": committed}  # type: ignore[dict-item]


def main() -> None:
    measure, *arguments = sys.argv[1:]
    print(json.dumps({"save": save, "wrapper": wrapper, "deliver": deliver, "latency": latency}[measure](*arguments)))


if __name__ == "__main__":
    main()
