"""The trigger of docs/ingest.md, run as it stands."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.contrib.contenttypes.models import ContentType
from django.db import connections

from heliostat.delivery.worker import Worker
from heliostat.testing import Receiver
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "ingest.md"
USING = "postgresql"
pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif(USING not in configured.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432"),
]


def execute(sql: str) -> None:
    with connections[USING].cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def trigger(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (sql,) = re.findall(r"```sql\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    execute(sql.replace("fleet_vehicle", "example_vehicle").replace("fleet.vehicle", "example.vehicle"))
    monkeypatch.setattr(Vehicle, "heliostat_silent", True, raising=False)
    yield
    execute("DROP FUNCTION publish_changes CASCADE")


def test_a_trigger_publishes_bulk_statements_and_raw_sql(trigger: None, receiver: Receiver, settings) -> None:
    settings.HELIOSTAT_POLL = 60.0  # only the trigger's NOTIFY can be this quick
    Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url)
    worker = Worker(USING)
    thread = threading.Thread(target=lambda: (worker.run(), connections.close_all()))
    thread.start()
    try:
        buses = Vehicle.objects.using(USING).bulk_create([Vehicle(name=name, api_token="s3cret") for name in "ab"])
        receiver.wait_for(2)
        Vehicle.objects.using(USING).filter(name="a").update(speed=3)
        execute("UPDATE example_vehicle SET speed = 3")  # of `a` it changes nothing
        execute("DELETE FROM example_vehicle WHERE name = 'b'")
        bodies = [delivery.json for delivery in receiver.wait_for(5)]
        buses[0].speed = 4
        buses[0].save()
        bodies.append(receiver.wait_for(6)[-1].json)
    finally:
        worker.stop()
        thread.join(20)
    facts = [(one["event_type"], one["object_serialization"]["name"], one["changes"]) for one in bodies]
    assert sorted(facts[:2]) == [("created", "a", {}), ("created", "b", {})]
    assert sorted(facts[2:], key=str) == [
        ("deleted", "b", {}),
        ("updated", "a", {"speed": [0.0, 3.0]}),
        ("updated", "a", {"speed": [3.0, 4.0]}),
        ("updated", "b", {"speed": [0.0, 3.0]}),
    ]
    assert "s3cret" not in str(bodies)
    assert len(receiver.deliveries) == 6, "only the trigger publishes what Django saves"
