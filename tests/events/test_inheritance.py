"""What happens to an object through a proxy, a child or a parent reaches the subscribers of each of its models once."""

from __future__ import annotations

from contextlib import suppress

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction
from django.test.utils import CaptureQueriesContext

from heliostat.events.event import Event
from heliostat.exceptions import Refused
from heliostat.testing import captured_events, drain_outbox, subscribed
from heliostat.testing.receiver import Receiver
from heliostat.webhooks.models import Hook
from tests.example.models import Depot, NightTram, OldVehicle, Tag, Tram, Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def types(events: list[Event]) -> list[str]:
    return [event.type.removeprefix("example.") for event in events]


@pytest.mark.parametrize("model", [OldVehicle, Tram, NightTram])
def test_subscribers_of_a_model_hear_of_its_proxies_children_and_grandchildren(
    using: str, model: type[Vehicle]
) -> None:
    with captured_events("example.vehicle.*") as events:
        one = model.objects.using(using).create(name="12", seats=1)
        key = str(one.pk)
        one.seats = 2
        one.save()
        one.delete()
    assert types(events) == ["vehicle.created", "vehicle.updated", "vehicle.deleted"]
    assert {event.object_id for event in events} == {key}
    assert events[1].changes == {"seats": (1, 2)}
    assert all("line" not in event.snapshot and event.snapshot["name"] == "12" for event in events)


def test_subscribers_of_each_level_get_one_event_with_the_columns_of_that_level(using: str) -> None:
    with (
        captured_events("example.vehicle.*") as of_vehicle,
        captured_events("example.tram.*") as of_tram,
        captured_events("example.nighttram.*") as of_night,
    ):
        one = NightTram.objects.using(using).create(name="12", line=1)
        one.line, one.bar = 2, True
        one.save()
        one.delete()
    assert types(of_vehicle) == ["vehicle.created", "vehicle.updated", "vehicle.deleted"]
    assert types(of_tram) == ["tram.created", "tram.updated", "tram.deleted"]
    assert types(of_night) == ["nighttram.created", "nighttram.updated", "nighttram.deleted"]
    assert of_vehicle[1].changes == {}
    assert of_tram[1].changes == {"line": (1, 2)}
    assert of_night[1].changes == {"line": (1, 2), "bar": (False, True)}


def test_a_subscriber_of_everything_hears_of_a_change_once(using: str) -> None:
    with captured_events("example.*") as events:
        one = Tram.objects.using(using).create(name="12")
        one.save()
        Tram.objects.using(using).filter(pk=one.pk).update(name="13")
        one.tags.add(Tag.objects.using(using).create(word="red"))
        one.delete()
    assert types(events) == [
        "tram.created", "tram.updated", "tram.updated", "tag.created", "tram.updated", "tram.deleted",
    ]  # fmt: skip


def test_a_deletion_from_the_parents_side_reaches_subscribers_of_the_child(using: str) -> None:
    with captured_events("example.tram.*") as events:
        Tram.objects.using(using).create(name="12")
        Vehicle.objects.using(using).get().delete()
    assert types(events) == ["tram.created", "tram.deleted"]
    depot = Depot.objects.using(using).create(name="North")
    with captured_events("example.*") as events:
        Tram.objects.using(using).create(name="12", depot=depot)
        depot.delete()
    assert sorted(types(events)) == ["depot.deleted", "tram.created", "tram.deleted"]


def test_a_child_that_goes_without_its_parent_leaves_the_parents_subscribers_alone(using: str) -> None:
    one = Tram.objects.using(using).create(name="12")
    with captured_events("example.vehicle.*") as events:
        one.delete(keep_parents=True)
        Vehicle.objects.using(using).get().delete()
    assert types(events) == ["vehicle.deleted"]


def test_an_object_that_becomes_a_child_is_created_as_such_and_updated_as_its_parent(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="12")
    with captured_events("example.vehicle.*") as of_vehicle, captured_events("example.tram.*") as of_tram:
        Tram(vehicle_ptr=bus, name="13", line=3).save(using=using)
    assert (types(of_vehicle), types(of_tram)) == (["vehicle.updated"], ["tram.created"])
    assert of_vehicle[0].changes == {"name": ("12", "13")}


def test_a_save_of_a_childs_column_only_is_no_event_of_its_parent(using: str) -> None:
    one = Tram.objects.using(using).create(name="12", line=1)
    one.line, one.name = 2, "unsaved"
    with captured_events("example.vehicle.*") as of_vehicle, captured_events("example.tram.*") as of_tram:
        one.save(update_fields=["line"])
    assert of_vehicle == []
    assert [dict(event.changes) for event in of_tram] == [{"line": (1, 2)}]
    assert of_tram[0].snapshot["name"] == "12"


@pytest.mark.parametrize("model", [Vehicle, OldVehicle, Tram, NightTram])
def test_a_refused_object_of_any_model_is_undone_whole_and_the_caller_goes_on(using: str, model: type[Vehicle]) -> None:
    def refuse(event: Event) -> None:
        if event.snapshot["seats"] > 100:
            raise ValueError("too many seats")

    with subscribed(refuse, "example.vehicle.*", when="in_transaction"), transaction.atomic(using=using):
        one = model(name="55", seats=101)
        with pytest.raises(Refused, match="too many seats"):
            one.save(using=using)
        assert (one.pk, one._state.adding) == (None, True)
        one.seats = 99
        one.save(using=using)
    assert Vehicle.objects.using(using).get().seats == 99


def test_no_savepoint_is_left_open_by_a_save_that_may_be_refused(using: str) -> None:
    def refuse(event: Event) -> None:
        if event.snapshot["seats"] > 100:
            raise ValueError("too many seats")

    connection = connections[using]
    with subscribed(refuse, "example.vehicle.*", when="in_transaction"), transaction.atomic(using=using):
        for seats in (99, 101):
            with CaptureQueriesContext(connection) as queries, suppress(Refused):
                NightTram(name="12", seats=seats).save(using=using)
            said = [one["sql"].replace('"', "").replace("`", "").split() for one in queries]
            begun = {words[1] for words in said if words[0] == "SAVEPOINT"}
            assert begun
            assert begun == {words[2] for words in said if words[0] == "RELEASE"}


@pytest.mark.parametrize("how", ["child", "parent", "queryset", "cascade", "proxy"])
def test_a_hook_on_one_object_is_sent_its_deletion_and_ends_however_the_object_is_deleted(
    how: str, receiver: Receiver
) -> None:
    depot = Depot.objects.create(name="North")
    one = Tram.objects.create(name="12", depot=depot)
    hook = Hook.objects.create(content_object=Vehicle.objects.get(pk=one.pk), target=receiver.url)
    deletions = {
        "child": one.delete,
        "parent": Vehicle.objects.get(pk=one.pk).delete,
        "queryset": Tram.objects.all().delete,
        "cascade": depot.delete,
        "proxy": OldVehicle.objects.get(pk=one.pk).delete,
    }
    deletions[how]()
    drain_outbox()
    assert [delivery.json["type"] for delivery in receiver.deliveries] == ["example.vehicle.deleted"]
    hook.refresh_from_db()
    assert hook.ended


def test_a_hook_on_a_model_hears_of_its_children(receiver: Receiver) -> None:
    Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url)
    Tram.objects.create(name="12", line=4)
    drain_outbox()
    (delivery,) = receiver.deliveries
    assert delivery.json["type"] == "example.vehicle.created"
    assert "line" not in delivery.json["object_serialization"]
