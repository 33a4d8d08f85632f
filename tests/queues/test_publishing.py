"""Events reach each kind of queue: none is lost or made up, whatever happens to its server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from django.db import transaction

from heliostat import emit
from heliostat.outbox import transitions
from heliostat.outbox.models import Callback
from heliostat.outbox.models import Event as EventRow
from heliostat.targets.models import Target
from heliostat.testing import drain_outbox
from tests.example.models import Stop, Vehicle
from tests.queues.destinations import Destination, KafkaTopic, NatsSubject, RedisStream
from tests.queues.servers import Proxy, free_port, need_port, redis_binaries, redis_command, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("queues")]


def publish_to(destination: Destination, settings: Any, through: int | None = None, **options: Any) -> None:
    section = {**destination.section(through), "resources": ["vehicle"], **options}
    settings.EVENT_LISTENERS = {"stream": section}


def vehicles(count: int) -> None:
    with transaction.atomic():
        for number in range(count):
            Vehicle.objects.create(name=str(number))


def ids() -> list[str]:
    return [str(pk) for pk in EventRow.objects.order_by("pk").values_list("pk", flat=True)]


def test_each_event_is_published_once_with_its_id(destination: Destination, settings: Any) -> None:
    publish_to(destination, settings)
    vehicles(250)
    assert drain_outbox() == {"sent": 250}
    found = destination.events()
    assert sorted(event["id"] for event in found) == ids()
    assert {event["type"] for event in found} == {"example.vehicle.created"}
    assert {event["data"]["object_serialization"]["name"] for event in found} == {str(number) for number in range(250)}


def test_the_events_of_an_object_are_published_in_order(destination: Destination, settings: Any) -> None:
    publish_to(destination, settings, ordered=True)
    made = [Vehicle.objects.create(name="0") for _ in range(5)]
    for number in range(1, 6):
        for vehicle in made:
            vehicle.seats = number
            vehicle.save()
    assert drain_outbox() == {"sent": 30}
    seats: dict[str, list[int]] = {}
    for event in destination.events():
        seats.setdefault(event["subject"], []).append(event["data"]["object_serialization"]["seats"])
    assert seats == {f"example.vehicle/{vehicle.pk}": [0, 1, 2, 3, 4, 5] for vehicle in made}


def test_what_was_rolled_back_is_not_published(destination: Destination, settings: Any) -> None:
    publish_to(destination, settings)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Vehicle.objects.create(name="ghost")
        _ = 1 / 0
    Vehicle.objects.create(name="real")
    assert drain_outbox() == {"sent": 1}
    assert [event["data"]["object_serialization"]["name"] for event in destination.events()] == ["real"]


def test_nothing_is_lost_while_the_server_is_away(
    destination: Destination, proxy: Proxy, settings: Any, unhurried: None
) -> None:
    publish_to(destination, settings, proxy.port)
    proxy.cut()
    vehicles(20)
    assert drain_outbox() == {"retry": 20}
    proxy.mend()
    vehicles(20)
    assert drain_outbox() == {"sent": 20}
    proxy.cut()  # the connection that is kept open
    vehicles(20)
    proxy.mend()
    outcomes = drain_outbox()
    if not isinstance(destination, KafkaTopic):  # which may not have noticed yet
        assert outcomes == {"sent": 20}, "a connection that was closed meanwhile costs no attempt"
    transitions.retry_now("default")
    drain_outbox()
    assert set(Callback.objects.values_list("status", flat=True)) == {"sent"}
    assert {event["id"] for event in destination.events()} == set(ids())


def test_a_batch_that_is_half_confirmed_is_recorded_half(
    destination: Destination, proxy: Proxy, settings: Any, unhurried: None
) -> None:
    publish_to(destination, settings, proxy.port)
    vehicles(1)
    assert drain_outbox() == {"sent": 1}
    vehicles(300)
    proxy.answers = destination.answers
    outcomes = drain_outbox()
    assert outcomes["sent"] + outcomes["retry"] == 300
    assert outcomes["retry"] > 0
    if isinstance(destination, RedisStream | NatsSubject):  # the others confirm many messages with one answer
        assert outcomes["sent"] > 0
    proxy.mend()
    transitions.retry_now("default")
    assert drain_outbox() == {"sent": outcomes["retry"]}
    assert {event["id"] for event in destination.events()} == set(ids()), "repeats are recognisable by their ids"


def test_a_message_is_a_cloud_event_that_their_sdk_reads(destination: Destination, settings: Any) -> None:
    publish_to(destination, settings)
    Vehicle.objects.create(name="Zoë “55”\u2028")
    drain_outbox()
    (found,) = destination.events()
    event = JSONFormat().read(None, json.dumps(found).encode())
    row = EventRow.objects.get()
    assert event.get_id() == str(row.pk)
    assert event.get_source() == "/heliostat"
    assert event.get_type() == "example.vehicle.created"
    assert event.get_time() == row.created_at
    assert event.get_subject() == f"example.vehicle/{row.object_id}"
    assert event.get_data() == json.loads(row.body)


@pytest.mark.parametrize("key", ["x", 'a"', '"', "a/b c", "null", "é\\"])
def test_the_subject_of_an_object_without_an_address_is_its_resource_and_key(settings: Any, key: str) -> None:
    need_port(6379, "Redis")
    stream = RedisStream(6379)
    settings.EVENT_LISTENERS = {"stream": {**stream.section(), "resources": ["stop"]}}
    Stop.objects.create(code=key)
    drain_outbox()
    (event,) = stream.events()
    stream.close()
    assert event["subject"] in (f"example.stop/{key}", f"/example/stop/{key}")
    assert event["data"]["object_id"] == key


def test_the_subject_of_an_object_with_an_address_is_that(settings: Any) -> None:
    need_port(6379, "Redis")
    stream = RedisStream(6379)
    settings.EVENT_LISTENERS = {"stream": {**stream.section(), "resources": ["targets.target"]}}
    target = Target.objects.create(name="M51")
    drain_outbox()
    (event,) = stream.events()
    stream.close()
    assert event["subject"] == target.get_absolute_url()


def test_an_event_of_no_object_has_no_subject(settings: Any) -> None:
    need_port(6379, "Redis")
    stream = RedisStream(6379)
    settings.EVENT_LISTENERS = {"stream": {**stream.section(), "actions": ["storm"]}}
    emit("weather.station.storm", payload={"wind": 30})
    drain_outbox()
    (event,) = stream.events()
    stream.close()
    assert "subject" not in event
    assert event["data"]["payload"] == {"wind": 30}


def test_a_server_that_is_away_delays_no_other(settings: Any, unhurried: None) -> None:
    here = RedisStream(6379)
    away = {**here.section(free_port()), "resources": ["vehicle"]}
    settings.EVENT_LISTENERS = {"away": away, "here": {**here.section(), "resources": ["vehicle"]}}
    vehicles(10)
    assert drain_outbox() == {"sent": 10, "retry": 10}
    assert len(here.events()) == 10
    here.close()


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("binary", redis_binaries().values(), ids=redis_binaries())
def test_each_server_that_speaks_the_protocol_of_redis_keeps_about_the_newest(
    settings: Any, tmp_path: Path, binary: str, protocol: int
) -> None:
    with running(redis_command(binary, "--stream-node-max-entries", "10"), tmp_path) as server:
        stream = RedisStream(server.port, protocol)
        publish_to(stream, settings, maxlen=100)
        vehicles(300)
        assert drain_outbox() == {"sent": 300}
        names = [int(event["data"]["object_serialization"]["name"]) for event in stream.events()]
        assert names == list(range(300 - len(names), 300))
        assert 100 <= len(names) <= 120
