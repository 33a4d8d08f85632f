"""Reads are events for listeners that name the action `read`, and for nobody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.views.generic import DetailView, ListView
from rest_framework.generics import ListAPIView, RetrieveAPIView
from rest_framework.serializers import ModelSerializer

from heliostat.events.context import during_request
from heliostat.listeners import PublishesAPIReads, PublishesReads, publish_read
from heliostat.outbox.models import Callback
from heliostat.targets.models import Target
from heliostat.testing import captured_events
from heliostat.webhooks.api import create_hook
from tests.example.models import Depot, Vehicle
from tests.listeners.echo import heard
from tests.listeners.test_listeners import ECHO

pytestmark = pytest.mark.django_db(transaction=True)
READS = {**ECHO, "actions": "read", "resources": "vehicle"}


@pytest.fixture(autouse=True)
def silence() -> None:
    heard.clear()


def read() -> list[list[Any]]:
    return [[one["name"] for one in event.read_objects] for _, event in heard]


def request_of(method: str = "GET") -> HttpRequest:
    request = RequestFactory().generic(method, "/vehicles/")
    request.META["heliostat.request_id"] = "1"
    return request


class Show(PublishesReads, DetailView[Vehicle]):
    model = Vehicle
    template_name = "heliostat/refused.html"


class ShowAll(PublishesReads, ListView[Vehicle]):
    model = Vehicle
    template_name = "heliostat/refused.html"
    paginate_by = 2
    ordering = "pk"


class VehicleSerializer(ModelSerializer[Vehicle]):
    class Meta:
        model = Vehicle
        fields = ("name",)


class ShowByAPI(PublishesAPIReads, RetrieveAPIView[Vehicle]):
    queryset = Vehicle.objects.all()
    serializer_class = VehicleSerializer
    authentication_classes = permission_classes = ()


def test_a_page_of_ours_that_shows_an_object_is_a_read(settings: Any, client: Client) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "actions": "read", "resources": "target"}}
    assert run_checks(databases=[]) == []
    user = get_user_model().objects.create_superuser("ada")
    client.force_login(user)
    target = Target.objects.create(name="M51", ra=1, dec=2, owner=user)
    assert client.get(f"/targets/{target.pk}/").status_code == 200
    assert client.head(f"/targets/{target.pk}/").status_code == 200
    assert client.get("/targets/999/").status_code == 404
    ((_, event),) = heard
    assert event.payload["action"] == "read"
    assert (event.payload["uri"], event.payload["user_id"]) == (f"/targets/{target.pk}/", "django:ada")
    assert (event.payload["target_id"], event.impacted_objects) == (str(target.pk), [])
    assert event.read_objects[0]["name"] == "M51"


def test_a_generic_view_with_the_mixin_publishes_its_object_or_its_page(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": READS}
    for name in "abc":
        Vehicle.objects.create(name=name)
    Show.as_view()(request_of(), pk=Vehicle.objects.earliest("pk").pk)
    ShowAll.as_view()(request_of())
    assert read() == [["a"], ["a", "b"]]


def test_a_view_of_the_rest_framework_with_the_mixin_publishes_its_object(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": READS}
    bus = Vehicle.objects.create(name="55")
    assert ShowByAPI.as_view()(request_of(), pk=bus.pk).status_code == 200
    assert ShowByAPI.as_view()(request_of(), pk=999).status_code == 404
    assert read() == [["55"]]


def test_our_api_publishes_reads_of_webhooks_where_they_are_not_silent(settings: Any, client: Client) -> None:
    settings.HELIOSTAT_SILENT = []
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "actions": "read", "resources": "heliostat_webhooks.hook"}}
    user = get_user_model().objects.create_superuser("ada")
    client.force_login(user)
    hook = create_hook(signals=["created"], target_url="https://example.org/", model="example.vehicle")
    client.get(f"/api/hooks/{hook.pk}/")
    client.get("/api/hooks/")
    assert [event.payload["uri"] for _, event in heard] == [f"/api/hooks/{hook.pk}/", "/api/hooks/"]


def test_only_a_get_is_a_read(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": READS}
    bus = Vehicle.objects.create(name="55")
    for method in ("HEAD", "POST", "GET"):
        with during_request(request_of(method)):
            publish_read(bus)
    assert read() == [["55"]]


def test_objects_of_several_models_are_events_of_each(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**READS, "resources": "vehicle depot"}}
    publish_read([Vehicle.objects.create(name="55"), Depot.objects.create(name="North")])
    assert [event.payload["resource_name"] for _, event in heard] == ["vehicle", "depot"]


def test_reads_are_for_those_who_name_them(settings: Any, django_assert_num_queries: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "*"}}
    bus = Vehicle.objects.create(name="55")
    heard.clear()
    create_hook(signals=["*.*"], target_url="https://example.org/")
    with captured_events("*") as events, django_assert_num_queries(0):
        publish_read(bus)
    assert (list(events), heard, Callback.objects.count()) == ([], [], 0)


def test_a_durable_listener_of_reads_has_a_callback(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**READS, "when": "durable"}}
    publish_read(Vehicle.objects.create(name="55"))
    assert Callback.objects.count() == 1


def test_a_list_without_pages_is_not_read_whole(settings: Any) -> None:
    class All(PublishesAPIReads, ListAPIView[Vehicle]):
        queryset = Vehicle.objects.all()
        serializer_class = VehicleSerializer
        authentication_classes = permission_classes = ()

    settings.EVENT_LISTENERS = {"echo": READS}
    Vehicle.objects.create(name="55")
    assert All.as_view()(request_of()).status_code == 200
    assert read() == []


def test_a_list_of_what_is_no_object_is_shown_and_no_read(settings: Any) -> None:
    class ListOfRows(PublishesReads, ListView[Vehicle]):
        template_name = "example/vehicle.html"

        def get_queryset(self) -> Any:
            return Vehicle.objects.values("name")

    settings.EVENT_LISTENERS = {"echo": READS}
    Vehicle.objects.create(name="55")
    assert ListOfRows.as_view()(request_of()).status_code == 200
    assert heard == []
