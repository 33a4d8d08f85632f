"""(h) What many hooks cost: to match among them, to learn of a change, to load and keep them, to list deliveries."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks.bench import HELIOSTAT, Bench
from benchmarks.figures import at_most

TITLE = "(h) growth: 10,000 hooks with filters on one model, 100,000 hooks on objects, deliveries of 10,000 hooks"
FILTERED, ON_OBJECTS, LISTED = 10_000, 100_000, 10_000
URL = "http://127.0.0.1:9/"
ROWS = (  # key, what it is, unit, limit, digits
    ("match", "match an event among 10,000 filters", "ms", 1, 3),
    ("save", "save an object that 1 of 10,000 filters matches", "ms", None, 2),
    ("changed", "learn of 1 changed hook among 100,000", "ms", 10, 2),
    ("load", "load 100,000 hooks", "s", 3, 2),
    ("memory", "keep 100,000 hooks", "MB", 150, 0),
    ("listed", "GET deliveries/ of the owner of 10,000 hooks", "ms", 100, 1),
)


def measure(bench: Bench) -> None:
    for name in bench.databases:
        found = bench.child("benchmarks.growth:filtered", bench.amount(FILTERED), on=name)
        bench.child("benchmarks.growth:make_hooks_on_objects", bench.amount(ON_OBJECTS), on=name)
        found |= bench.child("benchmarks.growth:loaded", on=name)
        apps = [*HELIOSTAT, "rest_framework", "heliostat.api"]
        found |= bench.child("benchmarks.growth:listed", bench.amount(LISTED), on=name, apps=apps)
        for key, value in found.items():
            bench.figures.add(f"{name} growth {key}", value)


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    for name in bench.databases:
        yield f" {name}" + (" (a quarter of the hooks)" if bench.quick else "")
        for key, what, unit, limit, digits in ROWS:
            yield f"  {what:<50} {figures.text(f'{name} growth {key}', unit, digits)}"
            if limit is not None:
                yield at_most(what, figures.median(f"{name} growth {key}"), limit, unit, digits)


def filtered(count: int) -> dict[str, float]:
    """Each hook waits for another name of a vehicle."""
    from benchmarks.models import Vehicle, save_one
    from benchmarks.work import clean
    from heliostat.events.event import Event
    from heliostat.events.matching import registry
    from heliostat.events.snapshot import snapshot
    from heliostat.webhooks import changes

    clean()
    _insert(lambda number: {"filters": {"field": "name", "eq": f"bus {number}"}}, count)
    changes.note(None, "default")
    save_one(0)
    events = [
        Event(
            resource="benchmarks.vehicle",
            action="created",
            object_id=str(number),
            snapshot=snapshot(Vehicle(id=number, name=f"bus {number}")),
        )
        for number in range(0, count, max(1, count // 50))
    ]
    match = _median_ms(lambda number: registry.matcher.match(events[number % len(events)]), 50)
    return {"match": match, "save": _median_ms(save_one, 50)}


def make_hooks_on_objects(count: int) -> None:
    from benchmarks.work import clean

    clean()
    _insert(
        lambda number: {"object_id": str(number), "target_url": f"https://receiver.example.com/hooks/{number}"}, count
    )


def loaded() -> dict[str, float]:
    """In a process that knows nothing yet; then another process changes a hook."""
    from benchmarks.models import save_one
    from heliostat.events.matching import registry

    before = _memory()
    began = time.perf_counter()
    registry.matcher  # noqa: B018  loads them
    load = time.perf_counter() - began
    gc.collect()
    memory = _memory() - before
    save_one(0)

    def learn(number: int) -> float:
        _change(number)
        started = time.perf_counter()
        registry.catch_up()
        return (time.perf_counter() - started) * 1000

    learn(1)  # the first change of all, by which it knows the log again
    changed = sorted(learn(number) for number in range(2, 12))[5]
    return {"load": load, "memory": memory, "changed": changed}


def listed(count: int) -> dict[str, float]:
    """The newest page of the deliveries of one owner, beside 10,000 hooks of others."""
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test.utils import setup_test_environment

    from benchmarks.work import clean, fill_outbox
    from heliostat.webhooks.models import Hook

    clean()
    User.objects.all().delete()
    ada = User.objects.create_user("ada", password="x")
    _insert(lambda number: {"user": ada if number % 2 else None}, 2 * count)
    fill_outbox(4 * count, list(Hook.objects.order_by("pk")))
    settings.ROOT_URLCONF = "benchmarks.urls"
    setup_test_environment()
    from rest_framework.test import APIClient  # reads the settings when it is imported

    client = APIClient()
    client.force_authenticate(ada)

    def get(_: int) -> Any:
        answer = client.get("/deliveries/")
        assert answer.status_code == 200, answer.content
        assert len(answer.json()["results"]) == 50

    get(0)
    return {"listed": _median_ms(get, 10)}


def _insert(values: Callable[[int], dict[str, Any]], count: int) -> None:
    """Rows of hooks, as their owners would have made them, but quicker."""
    from django.contrib.contenttypes.models import ContentType
    from django.db.models import QuerySet

    from benchmarks.models import Vehicle
    from heliostat.webhooks.models import Hook

    model = ContentType.objects.get_for_model(Vehicle)
    secret = "gAAAAA" + "x" * 134  # as long as an encrypted one
    same: dict[str, Any] = {"model": model, "target_url": URL, "encrypted_secret": secret}
    for start in range(0, count, 5000):
        numbers: Sequence[int] = range(start, min(start + 5000, count))
        QuerySet(Hook).bulk_create([Hook(**{**same, **values(number)}) for number in numbers], batch_size=500)


def _change(number: int) -> None:
    """Change a hook as another process would."""
    from django.db.models import QuerySet

    from heliostat.webhooks import changes
    from heliostat.webhooks.models import Hook

    row = QuerySet(Hook).order_by("pk")[number * 7 : number * 7 + 1].get()
    QuerySet(Hook).filter(pk=row.pk).update(target_url="https://elsewhere.example.com/")
    changes.write([row.pk], "default")


def _median_ms(work: Callable[[int], Any], times: int) -> float:
    took = []
    for number in range(times):
        began = time.perf_counter()
        work(number)
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[times // 2]


def _memory() -> float:
    """Resident memory of this process, in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))
