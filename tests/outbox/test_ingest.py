"""Events that another program wrote: matched by a worker, each once, and none holds up the rest."""

from __future__ import annotations

import json
import threading
import uuid
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connections
from django.db.models import QuerySet
from django.utils import timezone

from heliostat.outbox import ingest
from heliostat.outbox.ingest import match_events
from heliostat.outbox.models import Callback, Event
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks import changes
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
BUS = {"id": 7, "name": "55", "speed": 3.5, "api_token": "s3cret", "depot_id": None, "bought": "2026-01-02T03:04:05Z"}


def somebody_writes(using: str, body: str, **facts: Any) -> Event:
    """A row as another program writes it: without the column `matched`."""
    row = {"resource": "example.vehicle", "action": "updated", "object_id": "7", **facts}
    event = Event(id=uuid.uuid4(), body=body, context="{}", created_at=timezone.now(), matched=False, **row)
    event.save(using=using, force_insert=True)
    return event


@pytest.fixture
def hook(receiver: Receiver) -> Hook:
    return Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url)


def test_who_asked_is_notified_of_it_as_of_any_other(using: str, hook: Hook, receiver: Receiver) -> None:
    written = somebody_writes(using, json.dumps({"object_serialization": BUS, "changes": {"speed": [3, 3.5]}}))
    drain_outbox(using)
    (notified,) = receiver.deliveries
    assert notified.json["id"] == str(written.id)
    assert (notified.json["type"], notified.json["object_id"]) == ("example.vehicle.updated", 7)
    assert notified.json["changes"] == {"speed": [3.0, 3.5]}
    assert notified.json["object_serialization"] == {
        "id": 7, "name": "55", "speed": 3.5, "depot": None, "bought": "2026-01-02T03:04:05Z"
    }, "by the names of fields, and without secrets"  # fmt: skip
    drain_outbox(using)
    assert len(receiver.deliveries) == 1


def test_templates_and_filters_see_it_as_any_other(using: str, hook: Hook, receiver: Receiver) -> None:
    hook.payload_template = '{"bus": {{instance.name}}, "what": {{event_type}}}'
    hook.filters = {"changed": ["speed"]}
    hook.save()
    somebody_writes(using, json.dumps({"object_serialization": BUS, "changes": {"speed": [3, 3.5]}}))
    somebody_writes(using, json.dumps({"object_serialization": BUS, "changes": {"name": ["54", "55"]}}))
    drain_outbox(using)
    assert [notified.json for notified in receiver.deliveries] == [{"bus": "55", "what": "updated"}]


def test_it_may_be_of_no_model_and_say_next_to_nothing(using: str, receiver: Receiver) -> None:
    Hook.objects.create(signals=["weather.station.*"], target=receiver.url)
    somebody_writes(using, "{}", resource="weather.station", action="storm", object_id=None)
    drain_outbox(using)
    assert [notified.json["type"] for notified in receiver.deliveries] == ["weather.station.storm"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "its body is empty; write a JSON object"),
        ("{'a': 1}", "JSON is malformed"),
        ("[1]", "Expected `object`, got `array`"),
        ('{"changes": {"speed": 3}}', "Expected `array`, got `int` - at `$.changes[...]`"),
        ('{"object_serialization": {"bought": "yesterday"}}', "invalid format"),
    ],
)
def test_one_that_cannot_be_understood_says_why_and_holds_up_no_other(
    body: str, problem: str, hook: Hook, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    bad = somebody_writes("default", body)
    somebody_writes("default", json.dumps({"object_serialization": BUS}))
    drain_outbox("default")
    assert len(receiver.deliveries) == 1
    bad.refresh_from_db()
    assert problem in json.loads(bad.context)["problem"]
    assert (bad.matched, bad.body) == (True, body)
    assert f"event {bad.id.hex}" in caplog.text.replace("-", "")
    assert problem in caplog.text


def test_a_database_that_fails_for_a_moment_makes_no_event_bad(
    using: str, hook: Hook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What asks a database to make its payload, or to match: the event was kept as one that cannot be understood."""
    real, failed = ingest.callback_rows, []

    def away_at_first(*arguments: Any) -> Any:
        if not failed:
            failed.append(True)
            raise OperationalError("canceling statement due to statement timeout")
        return real(*arguments)

    monkeypatch.setattr(ingest, "callback_rows", away_at_first)
    somebody_writes(using, "{}")
    with pytest.raises(OperationalError):
        match_events(using)
    drain_outbox(using)
    assert len(receiver.deliveries) == 1


def test_a_hook_made_in_another_process_just_before_is_not_missed(using: str, hook: Hook, receiver: Receiver) -> None:
    somebody_writes(using, "{}")
    assert match_events(using) == 1
    another = Hook(signals=["example.vehicle.*"], target_url=receiver.url, encrypted_secret="x")
    QuerySet(Hook).bulk_create([another])  # past all that notifies this process
    changes.write([another.pk], "default")
    Callback.objects.using(using).all().delete()
    somebody_writes(using, "{}")
    match_events(using)
    assert Callback.objects.using(using).count() == 2


def test_they_are_published_in_the_order_in_which_they_happened(using: str, hook: Hook) -> None:
    written = [somebody_writes(using, "{}") for _ in range(20)]
    match_events(using)
    notified = Callback.objects.using(using).order_by("id").values_list("event_id", flat=True)
    assert list(notified) == [event.id for event in written]


def test_two_workers_match_each_event_once(using: str, hook: Hook) -> None:
    for _ in range(300):
        somebody_writes(using, "{}")
    counts: list[int] = []

    def work() -> None:
        while count := match_events(using):
            counts.append(count)
        connections[using].close()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(counts) == 300
    assert (
        Callback.objects.using(using).count() == Callback.objects.using(using).values("event").distinct().count() == 300
    )
