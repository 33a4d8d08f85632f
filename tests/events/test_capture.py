"""What happens to watched objects becomes events; what nobody asked about costs nothing."""

from __future__ import annotations

import decimal

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connections, transaction
from django.db.models import F
from django.test import RequestFactory
from django.utils import timezone

from heliostat import acting_as, batch, emit, quiet
from heliostat.events.context import during_request
from heliostat.events.event import Event
from heliostat.exceptions import ConfigurationError, EventDepthError, Refused
from heliostat.testing import captured_events, subscribed
from tests.example.models import Depot, OldVehicle, Parcel, Tag, Tram, Vehicle
from tests.example.signals import broken_down

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def test_creation_change_and_deletion_are_published_with_old_and_new(using: str) -> None:
    with captured_events("example.vehicle.*") as events:
        bus = Vehicle.objects.using(using).create(name="55", speed=10)
        bus.speed = 20
        bus.save()
        bus.delete()
    assert types(events) == ["example.vehicle.created", "example.vehicle.updated", "example.vehicle.deleted"]
    created, updated, deleted = events
    assert created.changes == {}
    assert updated.changes == {"speed": (10.0, 20.0)}
    assert deleted.snapshot["speed"] == 20.0
    assert deleted.object_id == created.object_id


def test_a_save_that_nobody_asked_about_needs_no_further_query(using: str, django_assert_num_queries) -> None:
    with captured_events("example.depot.*"):
        bus = Vehicle.objects.using(using).create(name="55")
        with django_assert_num_queries(1, connection=connections[using]):
            bus.save()
        with django_assert_num_queries(1, connection=connections[using]):
            Vehicle.objects.using(using).create(name="56")


def test_old_values_are_those_of_the_database_not_of_a_stale_object() -> None:
    bus = Vehicle.objects.create(name="55", seats=1)
    Vehicle.objects.filter(pk=bus.pk).update(seats=2)
    bus.seats = 3
    with captured_events() as events:
        bus.save()
    assert events[0].changes == {"seats": (2, 3)}


def test_a_value_given_as_text_is_no_change() -> None:
    bus = Vehicle.objects.create(name="55", speed=10.5, price=decimal.Decimal("1.50"))
    bus.speed, bus.price = "10.5", "1.5"
    with captured_events() as events:
        bus.save()
    assert events[0].changes == {}
    assert events[0].snapshot["speed"] == 10.5


def test_an_expression_is_published_as_the_value_that_the_database_made_of_it(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55", seats=4)
    bus.seats = F("seats") + 1
    with captured_events() as events:
        bus.save()
    assert events[0].changes == {"seats": (4, 5)}


def test_an_object_that_holds_an_expression_can_be_deleted_and_published_of(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55", seats=4)
    with captured_events("example.vehicle.deleted", "example.vehicle.crashed") as events:
        bus.seats = F("seats") + 1
        emit("crashed", bus)
        bus.delete()
    assert [event.snapshot["seats"] for event in events] == [4, 4]  # what the row says; no expression was stored
    assert events[1].snapshot["name"] == "55"


def test_deferred_fields_are_those_of_the_row_and_not_fetched_for_themselves(django_assert_num_queries) -> None:
    Vehicle.objects.create(name="55")
    bus = Vehicle.objects.only("name").get()
    with captured_events() as events, django_assert_num_queries(4):  # BEGIN, the row before, the change, COMMIT
        bus.name = "56"
        bus.save()
    assert events[0].changes == {"name": ("55", "56")}
    assert events[0].snapshot["seats"] == 0


def test_later_changes_of_a_json_value_do_not_change_what_was_published() -> None:
    bus = Vehicle(name="55", plan={"stops": [1]})
    with captured_events() as events:
        bus.save()
    bus.plan["stops"].append(2)
    assert events[0].snapshot["plan"] == {"stops": [1]}


def test_secrets_are_not_published_unless_a_setting_names_them(settings) -> None:
    with captured_events() as events:
        get_user_model().objects.create_user("ada", password="hidden")
        Vehicle.objects.create(name="55", api_token="hidden")
    assert all("hidden" not in str(event.snapshot) for event in events)
    assert "password" not in events[0].snapshot
    settings.HELIOSTAT_EXPOSE = {"example.Vehicle": ["api_token"]}
    with captured_events() as events:
        Vehicle.objects.create(name="55", api_token="shown")
    assert events[0].snapshot["api_token"] == "shown"


def test_proxies_are_published_as_their_model_and_children_as_themselves() -> None:
    with captured_events("example.*") as events:
        OldVehicle.objects.create(name="old")
        Tram.objects.create(name="12", line=12)
    assert types(events) == ["example.vehicle.created", "example.tram.created"]
    assert events[1].snapshot["line"] == 12


def test_keys_of_any_type_are_published() -> None:
    with captured_events() as events:
        parcel = Parcel.objects.create(weight=3)
    assert events[0].object_id == str(parcel.pk)


def test_a_deletion_that_cascades_is_published_for_each_object() -> None:
    depot = Depot.objects.create(name="North")
    Vehicle.objects.create(name="55", depot=depot)
    with captured_events("example.vehicle.deleted", "example.depot.deleted") as events:
        depot.delete()
    assert sorted(types(events)) == ["example.depot.deleted", "example.vehicle.deleted"]


def test_a_deletion_of_what_cannot_be_copied_is_published(using: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Depot) -> None:
        raise TypeError("a depot cannot be copied")

    depot = Depot.objects.using(using).create(name="North")
    key = depot.pk
    monkeypatch.setattr(Depot, "__copy__", refuse, raising=False)
    with captured_events("example.depot.deleted") as events:
        depot.delete()
    assert [(event.snapshot["name"], event.instance.name, event.instance.pk) for event in events] == [
        ("North", "North", key)
    ]
    assert depot.pk is None


def test_deletions_by_queryset_are_published() -> None:
    Vehicle.objects.create(name="55")
    Vehicle.objects.create(name="56")
    with captured_events("example.vehicle.deleted") as events:
        Vehicle.objects.filter(name__startswith="5").delete()
    assert len(events) == 2


def test_relations_are_published_from_both_sides(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55")
    red, old = (Tag.objects.using(using).create(word=word) for word in ("red", "old"))
    with captured_events("example.vehicle.*") as events:
        bus.tags.add(red)
        old.vehicles.add(bus)
        red.vehicles.clear()
        bus.tags.set([])
    assert [event.changes["tags"] for event in events] == [
        ([], [red.pk]),
        ([red.pk], [red.pk, old.pk]),
        ([red.pk, old.pk], [old.pk]),
        ([old.pk], []),
    ]
    assert {event.type for event in events} == {"example.vehicle.updated"}


def test_adding_what_is_there_already_is_no_event() -> None:
    bus, red = Vehicle.objects.create(name="55"), Tag.objects.create(word="red")
    bus.tags.add(red)
    with captured_events() as events:
        bus.tags.add(red)
    assert events == []


def test_who_did_it_and_in_which_request_is_notified(rf: RequestFactory) -> None:
    user = get_user_model().objects.create_user("ada")
    request = rf.post("/buses/")
    request.user = user
    request.META["heliostat.request_id"] = "r1"
    with captured_events("example.*") as events:
        with during_request(request):
            Vehicle.objects.create(name="55")
        with acting_as(user):
            Vehicle.objects.create(name="56")
        Vehicle.objects.create(name="57")
    by_request, by_job, by_nobody = events
    assert by_request.actor is not None
    assert by_request.actor.username == "ada"
    assert by_request.request is not None
    assert (by_request.request.method, by_request.request.path) == ("POST", "/buses/")
    assert by_job.actor == by_request.actor
    assert by_nobody.actor is None


def test_the_middleware_names_the_user_of_a_real_request(client, django_user_model) -> None:
    client.force_login(django_user_model.objects.create_superuser("ada"))
    with captured_events("auth.group.*") as events:
        client.post("/admin/auth/group/add/", {"name": "observers"})
    assert events[0].actor is not None
    assert events[0].actor.username == "ada"
    assert events[0].request is not None
    assert events[0].request.path == "/admin/auth/group/add/"


def test_quiet_publishes_nothing() -> None:
    with captured_events() as events, quiet():
        bus = Vehicle.objects.create(name="55")
        bus.tags.add(Tag.objects.create(word="red"))
        emit("crashed", bus)
        bus.delete()
    assert events == []


def test_a_batch_publishes_created_once_with_everything_there() -> None:
    with captured_events() as events:
        with batch():
            bus = Vehicle.objects.create(name="55")
            bus.seats = 40
            bus.save()
            bus.seats = 41
            bus.save()
        assert types(events) == ["example.vehicle.created"]
    assert events[0].snapshot["seats"] == 41


def test_a_batch_joins_changes_and_forgets_what_was_undone() -> None:
    bus = Vehicle.objects.create(name="55", seats=1, speed=1)
    with captured_events("example.vehicle.*") as events, batch():
        bus.seats, bus.speed = 2, 2
        bus.save()
        bus.seats, bus.speed = 3, 1
        bus.save()
        Vehicle.objects.create(name="never was").delete()
    assert len(events) == 1
    assert events[0].changes == {"seats": (1, 3)}


def test_a_batch_that_fails_undoes_all_and_publishes_nothing() -> None:
    with captured_events() as events, pytest.raises(IntegrityError), batch():
        Tag.objects.create(word="red")
        Tag.objects.create(word="red")
    assert events == []
    assert not Tag.objects.exists()


def test_a_refusal_undoes_the_change_and_the_caller_can_go_on(using: str) -> None:
    def refuse(event: Event) -> None:
        if event.snapshot["seats"] > 100:
            raise ValueError("too many seats")

    with subscribed(refuse, "example.vehicle.*", when="in_transaction"), transaction.atomic(using=using):
        bus = Vehicle(name="55", seats=101)
        with pytest.raises(Refused, match="too many seats"):
            bus.save(using=using)
        assert bus.pk is None
        bus.seats = 99
        bus.save(using=using)
    assert Vehicle.objects.using(using).get().seats == 99


def test_a_failing_subscriber_after_commit_is_logged_and_the_others_are_notified(caplog) -> None:
    notified: list[Event] = []

    def fail(event: Event) -> None:
        raise RuntimeError("no network")

    with subscribed(fail, "example.*"), subscribed(notified.append, "example.*"):
        Vehicle.objects.create(name="55")
    assert len(notified) == 1
    assert "no network" in caplog.text
    assert str(notified[0].id) in caplog.text


def test_subscribers_that_set_each_other_off_end_in_a_clear_error(caplog, settings) -> None:
    settings.HELIOSTAT_MAX_DEPTH = 3
    notified: list[int] = []

    def save_again(event: Event) -> None:
        notified.append(event.depth)
        event.instance.seats += 1
        event.instance.save()

    with subscribed(save_again, "example.vehicle.*"):
        Vehicle.objects.create(name="55")
    assert notified == [0, 1, 2, 3]
    assert "HELIOSTAT_MAX_DEPTH" in caplog.text
    with subscribed(save_again, "example.vehicle.*", when="in_transaction"), pytest.raises(Refused) as refused:
        Vehicle.objects.create(name="56")
    assert isinstance(refused.value.reason, EventDepthError)


def test_emit_publishes_events_with_an_object_or_without_one() -> None:
    bus = Vehicle.objects.create(name="55")
    with captured_events() as events:
        emit("crashed", bus, payload={"where": "Main Street"})
        emit("weather.station.storm", payload={"force": 10})
    assert types(events) == ["example.vehicle.crashed", "weather.station.storm"]
    assert events[0].payload == {"where": "Main Street"}
    assert events[0].snapshot["name"] == "55"


@pytest.mark.parametrize(
    "arguments",
    [("crashed",), ("a.b.c", object()), (".x",), ("x.",), ("x" * 101, Vehicle()), ("", Vehicle()), ("a\nb", Vehicle())],
)
def test_emit_without_a_clear_event_says_what_it_wants(arguments: tuple[object, ...]) -> None:
    with pytest.raises(ConfigurationError, match="names no event"):
        emit(*arguments)


def test_custom_signals_become_events(settings) -> None:
    from heliostat.events.signals import listen_to

    listen_to(["tests.example.signals.broken_down"])
    listen_to(["tests.example.signals.broken_down"])  # once is enough
    bus = Vehicle.objects.create(name="55")
    with captured_events() as events:
        broken_down.send(sender=Vehicle, instance=bus, part="engine", mechanic=bus)
        broken_down.send(sender=None, part="door")
    assert types(events) == ["example.vehicle.broken_down", "tests.example.signals.broken_down"]
    assert events[0].arguments["part"] == "engine"
    assert events[0].arguments["mechanic"]["object_id"] == str(bus.pk)


def test_fixtures_are_loaded_without_events() -> None:
    from django.core import serializers

    text = serializers.serialize("json", [Vehicle(pk=1, name="55")])
    with captured_events() as events:
        for loaded in serializers.deserialize("json", text):
            loaded.save()
    assert events == []


def test_files_and_times_are_published_as_texts_and_times() -> None:
    now = timezone.now()
    with captured_events() as events:
        Vehicle.objects.create(name="55", photo="bus.png", bought=now)
    assert events[0].snapshot["photo"] == "bus.png"
    assert events[0].snapshot["bought"] == now


def test_a_refusal_on_any_page_is_a_page_with_the_reason_and_nothing_is_changed(client, django_user_model) -> None:
    from django.contrib.auth.models import Group

    def refuse(event: Event) -> None:
        raise ValueError("no <more> groups")

    client.force_login(django_user_model.objects.create_superuser("ada"))
    with subscribed(refuse, "auth.group.created", when="in_transaction"):
        answer = client.post("/admin/auth/group/add/", {"name": "observers"})
    assert answer.status_code == 409
    assert "no &lt;more&gt; groups" in answer.text
    assert not Group.objects.exists()
