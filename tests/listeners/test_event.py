"""The event of a listener has what Kinto's documents say, for one change and for the changes of a batch."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.test import Client

from heliostat import acting_as, batch, emit
from heliostat.exceptions import Refused
from heliostat.outbox.models import Callback
from heliostat.testing import drain_outbox
from tests.example.models import Depot, Vehicle
from tests.listeners.echo import heard
from tests.listeners.test_listeners import ECHO
from tests.listeners.uses import calls

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def silence() -> None:
    heard.clear()
    calls.clear()


def payloads() -> list[dict[str, Any]]:
    return [event.payload for _, event in heard]


def test_the_payload_has_the_keys_of_kinto(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "vehicle"}}
    settings.HELIOSTAT_PARENTS = {"example.vehicle": "depot"}
    depot = Depot.objects.create(name="North")
    bus = Vehicle.objects.create(name="55", depot=depot)
    (payload,) = payloads()
    event = heard[0][1].event
    assert payload == {
        "timestamp": int(event.time.timestamp() * 1000),
        "action": "create",
        "uri": f"/example/vehicle/{bus.pk}",
        "user_id": None,
        "resource_name": "vehicle",
        "app_name": "example",
        "vehicle_id": str(bus.pk),
        "depot_id": str(depot.pk),
        "subpath": "",
        "event_id": str(event.id),
    }


def test_of_a_user_the_user_id_is_still_who_changed_it(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "auth.user"}}
    users = get_user_model().objects
    users.create_user("ada")
    with acting_as(users.get()):
        bob = users.create_user("bob")
    assert [payload["user_id"] for payload in payloads()] == [None, "django:ada"]
    assert payloads()[1]["uri"] == f"/auth/user/{bob.pk}"


def test_an_object_without_a_parent_has_none(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "vehicle"}}
    settings.HELIOSTAT_PARENTS = {"example.vehicle": "depot"}
    Vehicle.objects.create(name="55")
    assert payloads()[0]["depot_id"] is None


def test_a_durable_listener_has_the_same_payload(settings: Any) -> None:
    settings.HELIOSTAT_PARENTS = {"example.vehicle": "depot"}
    settings.EVENT_LISTENERS = {
        "echo": {**ECHO, "resources": "vehicle"},
        "later": {**ECHO, "resources": "vehicle", "when": "durable"},
    }
    with acting_as(get_user_model().objects.create_user("ada")):
        Vehicle.objects.create(name="55", depot=Depot.objects.create(name="North"))
    drain_outbox()
    first, second = payloads()
    assert first == second
    assert heard[0][1].impacted_objects[0]["event_id"] == heard[1][1].impacted_objects[0]["event_id"]


@pytest.mark.parametrize(
    ("parents", "words"),
    [
        ({"example.vehicel": "depot"}, "there is no resource 'example.vehicel'. Did you mean example.vehicle"),
        ({"example.vehicle": "dept"}, "Vehicle has no foreign key 'dept'. Did you mean depot?"),
        ({"example.vehicle": "name"}, "Vehicle has no foreign key 'name'."),
        ({"example.door": "opener"}, "the value of Door.opener is a secret"),
    ],
)
def test_a_parent_that_is_none_is_a_system_check(settings: Any, parents: Any, words: str) -> None:
    settings.HELIOSTAT_PARENTS = parents
    (message,) = run_checks(databases=[])
    assert (message.id, words in message.msg) == ("heliostat.E022", True)


def test_what_is_no_table_of_parents_is_a_system_check(settings: Any) -> None:
    settings.HELIOSTAT_PARENTS = ["example.vehicle"]
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E001"


def test_the_subpath_is_what_the_request_has_below_the_address(settings: Any, client: Client) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "target"}}
    user = get_user_model().objects.create_superuser("ada")
    client.force_login(user)
    from heliostat.targets.models import Target

    target = Target.objects.create(name="M51", ra=1, dec=2, owner=user)
    client.post(f"/targets/{target.pk}/delete/", {"name": "M51"})
    assert [(one["action"], one["subpath"]) for one in payloads()] == [("create", ""), ("delete", "delete")]
    assert payloads()[1]["uri"] == f"/targets/{target.pk}/"


def test_an_event_can_be_read_by_a_person(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "depot"}}
    depot = Depot.objects.create(name="North")
    assert repr(heard[0][1]) == f"<ListenerEvent action=create uri=/example/depot/{depot.pk}>"


def test_impacted_objects_say_what_was_and_what_is(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "depot"}}
    depot = Depot.objects.create(name="North")
    pk = depot.pk
    depot.name = "South"
    depot.save()
    depot.delete()
    impacts = [event.impacted_objects for _, event in heard]
    assert [list(map(without_ids, one)) for one in impacts] == [
        [{"new": {"id": pk, "name": "North"}}],
        [{"new": {"id": pk, "name": "South"}, "old": {"id": pk, "name": "North"}}],
        [{"new": {"id": pk, "deleted": True}, "old": {"id": pk, "name": "South"}}],
    ]
    assert heard[0][1].impacted_records == impacts[0]


def without_ids(impact: dict[str, Any]) -> dict[str, Any]:
    return {key: impact[key] for key in impact if key in ("new", "old")}


def test_a_batch_is_one_event_for_each_resource_parent_and_action(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": ECHO}
    settings.HELIOSTAT_PARENTS = {"example.vehicle": "depot"}
    north, south = Depot.objects.create(name="North"), Depot.objects.create(name="South")
    old = Vehicle.objects.create(name="old")
    heard.clear()
    with batch():
        first = Vehicle.objects.create(name="1", depot=north)
        Vehicle.objects.create(name="2", depot=south)
        old.delete()
        Vehicle.objects.create(name="3", depot=north)
        Depot.objects.create(name="West")
    events = [event for _, event in heard]
    assert [(one["resource_name"], one["action"], one.get("depot_id")) for one in payloads()] == [
        ("vehicle", "create", str(north.pk)),
        ("vehicle", "create", str(south.pk)),
        ("vehicle", "delete", None),
        ("depot", "create", events[3].payload["depot_id"]),
    ]
    assert [one["new"]["name"] for one in events[0].impacted_objects] == ["1", "3"]
    assert (events[0].payload["uri"], "vehicle_id" in events[0].payload) == ("/example/vehicle/", False)
    assert events[1].payload["vehicle_id"] == str(first.pk + 1)
    assert repr(events[0]) == "<ListenerEvent action=create uri=/example/vehicle/ objects=2>"


def test_each_object_of_a_batch_has_an_id_and_a_user_of_its_own(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "depot"}}
    users = [get_user_model().objects.create_user(name) for name in ("ada", "bob")]
    with batch():
        for user in users:
            with acting_as(user):
                Depot.objects.create(name=user.username)
    ((_, event),) = heard
    assert [one["user_id"] for one in event.impacted_objects] == ["django:ada", "django:bob"]
    assert len({one["event_id"] for one in event.impacted_objects}) == 2
    assert event.payload["user_id"] is None


def test_a_durable_listener_gets_the_objects_of_a_batch_one_by_one(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "depot", "when": "durable"}}
    with batch():
        Depot.objects.create(name="North")
        Depot.objects.create(name="South")
    assert Callback.objects.count() == 2
    drain_outbox()
    assert [len(event.impacted_objects) for _, event in heard] == [1, 1]


def test_a_batch_that_is_refused_is_undone(settings: Any) -> None:
    settings.EVENT_LISTENERS = {
        "veto": {"use": "tests.listeners.uses.veto", "resources": "depot", "when": "in_transaction"},
        "echo": {**ECHO, "resources": "depot"},
    }
    with pytest.raises(Refused, match="2 are too many"), batch():
        Depot.objects.create(name="North")
        Depot.objects.create(name="South")
    assert (Depot.objects.count(), heard) == (0, [])


def test_listeners_are_called_in_the_order_of_configuration_and_one_failure_does_not_stop_the_next(
    settings: Any, caplog: Any
) -> None:
    painter = {"use": "tests.listeners.uses.Painter", "resources": "depot"}
    settings.EVENT_LISTENERS = {
        "z": {**painter, "colour": "red"},
        "raises": {"use": "tests.listeners.uses.raises", "resources": "depot"},
        "rubbish": {"use": "tests.listeners.uses.rubbish", "resources": "depot"},
        "a": {**painter, "colour": "blue"},
    }
    Depot.objects.create(name="North")
    with batch():
        Depot.objects.create(name="South")
        Depot.objects.create(name="West")
    assert [colour for colour, _ in calls] == ["red", "blue", "red", "blue"]
    assert caplog.text.count("listener:raises failed at example.depot.created") == 2


def test_a_declared_action_is_an_event_of_its_own(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "vehicle", "actions": "crashed"}}
    emit("crashed", Vehicle.objects.create(name="55"), payload={"speed": 80})
    assert (payloads()[0]["action"], heard[0][1].event.payload) == ("crashed", {"speed": 80})
