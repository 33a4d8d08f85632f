"""What several measurements do inside a child: make a clean database, hooks and waiting callbacks, and measure time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.management import call_command
from django.db import connection

from benchmarks.models import PLAN, Vehicle

if TYPE_CHECKING:
    from heliostat.webhooks.models import Hook

AT_ONCE = 500


def clean() -> None:
    """All tables there and empty."""
    call_command("migrate", run_syncdb=True, verbosity=0)
    keep = {"auth", "contenttypes"}
    tables = [model._meta.db_table for model in apps.get_models() if model._meta.app_label not in keep]
    with connection.cursor() as cursor, connection.constraint_checks_disabled():
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        else:
            for table in tables:
                cursor.execute(f"DELETE FROM {table}")
    if apps.is_installed("heliostat.webhooks"):
        from heliostat.webhooks import changes

        changes.write(None, "default")  # as for a restored backup: SQL of others writes down no change


def timed(work: Callable[[int], Any], times: int) -> dict[str, float]:
    """Microseconds of CPU and on the clock, each time."""
    cpu, wall = time.process_time(), time.perf_counter()
    for index in range(times):
        work(index)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu / times * 1e6, "wall": wall / times * 1e6}


def ask(urls: Sequence[str]) -> list[Hook]:
    """A hook for each of these addresses."""
    from django.contrib.contenttypes.models import ContentType

    from heliostat.webhooks.models import Hook

    model = ContentType.objects.get_for_model(Vehicle)
    return [Hook.objects.create(model=model, target=url) for url in urls]


def fill_outbox(count: int, hooks: Sequence[Hook]) -> None:
    """Write `count` events with one callback each, for the hooks in turn, as saves would write them."""
    from heliostat.events.event import Event, Phase
    from heliostat.events.snapshot import snapshot
    from heliostat.events.subscriptions import Subscription
    from heliostat.outbox.write import write

    row = snapshot(Vehicle(id=1, name="bus 1", plan=PLAN))
    asking = [Subscription(name=hook.subscriber, pattern="*", phase=Phase.DURABLE) for hook in hooks]

    def event(index: int) -> Event:
        return Event(resource="benchmarks.vehicle", action="created", object_id=str(index), snapshot=row)

    for start in range(0, count, AT_ONCE):
        indexes = range(start, min(start + AT_ONCE, count))
        write([(event(index), [asking[index % len(asking)]]) for index in indexes], "default")
