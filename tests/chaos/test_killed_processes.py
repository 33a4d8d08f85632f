"""Whatever dies in between: nothing committed is lost, and only what was in flight is repeated, with the same id."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path

import pytest

from heliostat.testing import Answer, Receiver
from tests.chaos.processes import World, kill, world

pytestmark = pytest.mark.slow

HOOK = """
from django.contrib.contenttypes.models import ContentType
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle
Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target={url!r})
"""
WRITER = """
import django; django.setup()
from tests.example.models import Vehicle
index = 0
while True:
    index += 1
    print(Vehicle.objects.create(name=f"bus {index}").pk, flush=True)
"""
NOTIFIED = """
from heliostat.outbox.models import Callback, Event
from tests.example.models import Vehicle
answer({
    "vehicles": [str(pk) for pk in Vehicle.objects.values_list("pk", flat=True)],
    "events": list(Event.objects.values_list("object_id", flat=True)),
    "callbacks": list(Callback.objects.values_list("event__object_id", flat=True)),
    "states": list(Callback.objects.values_list("status", flat=True)),
})
"""


def test_a_killed_writer_leaves_neither_a_change_without_its_event_nor_an_event_without_its_change(
    using: str, tmp_path: Path
) -> None:
    with world(using, tmp_path) as made:
        made.run(HOOK.format(url="http://127.0.0.1:9/"))
        printed: list[str] = []
        for _ in range(3):
            writer = made.start("-c", WRITER)
            assert writer.stdout is not None
            printed.append(writer.stdout.readline().strip())  # it is at work
            time.sleep(random.uniform(0.02, 0.15))
            printed += kill(writer).split()
        notified = made.run(NOTIFIED)
        assert set(printed) <= set(notified["vehicles"])
        assert sorted(notified["vehicles"]) == sorted(notified["events"]) == sorted(notified["callbacks"])


def test_killed_workers_lose_nothing_and_repeat_only_what_was_in_flight(using: str, tmp_path: Path) -> None:
    events, kills = 400, 4
    with Receiver(answers=lambda _: Answer(delay=0.02)) as receiver, world(using, tmp_path) as made:
        made.run(HOOK.format(url=receiver.url))
        made.run(
            f"from tests.example.models import Vehicle\nfor i in range({events}): Vehicle.objects.create(name=str(i))"
        )
        for _ in range(kills):
            arrived = len(receiver.deliveries)
            worker = made.worker()
            _wait_until_more_than(receiver, arrived)
            time.sleep(random.uniform(0.0, 0.1))
            kill(worker)
        _drain(made, receiver, events)
        seen = Counter(delivery.id for delivery in receiver.deliveries)
        bodies = {delivery.id: str(delivery.json["object_id"]) for delivery in receiver.deliveries}
        notified = made.run(NOTIFIED)
        assert sorted(bodies.values()) == sorted(notified["vehicles"])
        assert len(seen) == events
        assert set(notified["states"]) == {"sent"}
        repeated = sum(count - 1 for count in seen.values())
        assert repeated <= kills * 2 * 50  # what one subscriber may have in flight, or sent and not yet recorded


def _wait_until_more_than(receiver: Receiver, count: int) -> None:
    """A dead worker's leases run out after two seconds: until then its successor may find nothing to do."""
    receiver.wait_for(count + 1, timeout=20)


def _drain(made: World, receiver: Receiver, events: int) -> None:
    worker = made.worker()
    try:
        deadline = time.monotonic() + 40
        while set(made.run(NOTIFIED)["states"]) != {"sent"} and time.monotonic() < deadline:
            time.sleep(0.5)
    finally:
        worker.terminate()
        worker.communicate(timeout=20)
    assert worker.returncode == 0
