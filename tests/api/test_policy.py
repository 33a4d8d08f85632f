"""Users are notified of what they may view, and of nothing else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core.checks import run_checks
from django.db import connections
from rest_framework.test import APIClient

from heliostat.api import views
from heliostat.api.policy import may_add_hook
from heliostat.webhooks.models import Hook, Signal
from heliostat.webhooks.owners import NO_SUCH_MODEL
from tests.api.conftest import URL, a_hook, client_of, user_who_may_view
from tests.example.models import Depot, Vehicle

pytestmark = pytest.mark.django_db

BROKEN_DOWN = "tests.example.signals.broken_down"


def refused(client: APIClient, **fields: Any) -> dict[str, list[str]]:
    answer = client.post("/api/hooks/", {"target_url": URL, **fields})
    assert answer.status_code == 400, answer.content
    assert not Hook.objects.exists()
    errors: dict[str, list[str]] = answer.json()
    return errors


@pytest.mark.parametrize("model", ["auth.user", "user", "example.depot", "authtoken.token", "nothing.such"])
def test_a_model_that_a_user_may_not_view_is_like_one_that_does_not_exist(as_ada: APIClient, model: str) -> None:
    assert refused(as_ada, model=model) == {"model": [NO_SUCH_MODEL]}
    template = {"payload_template": '{"a": {{instance.nothing_such}}}'}
    assert refused(as_ada, model=model, **template) == {"model": [NO_SUCH_MODEL]}, "fields are not notified either"


@pytest.mark.parametrize(
    "signals",
    [["auth.user.created"], ["auth.*"], ["*.*"], ["*.created"], ["a?th.user.created"], ["[a]uth.user.*"],
     ["auth.user*.created"], ["weather.station.storm"], ["example.vehicle.created", "example.depot.*"]],
)  # fmt: skip
@pytest.mark.parametrize("model", [None, "example.vehicle"])
def test_an_event_type_that_reaches_further_than_a_user_may_view_is_refused(
    as_ada: APIClient, signals: list[str], model: str | None
) -> None:
    errors = refused(as_ada, signals=signals, model=model)
    assert "You may not be notified of" in errors["signals"][0]


def test_what_was_refused_on_making_a_hook_is_refused_on_changing_it(as_ada: APIClient) -> None:
    address = f"/api/hooks/{a_hook(as_ada)['id']}/"
    for fields in (
        {"model": "auth.user"},
        {"signals": ["auth.user.*"]},
        {"model": None, "signals": ["*.*"]},
        {"payload_template": '{"a": {{instance.depot.name}}}'},
        {"serializer_class": "tests.example.serializers.VehicleSerializer"},
        {"user": None},
        {"user": User.objects.create_user("other").pk},
    ):
        assert as_ada.patch(address, fields).status_code == 400, fields
    row = Hook.objects.get()
    assert (row.patterns, row.payload_template, row.serializer_class) == (("example.vehicle.*",), "", "")


def test_a_template_follows_relations_only_to_what_a_user_may_view(as_ada: APIClient) -> None:
    template = {"model": "example.vehicle", "payload_template": '{"depot": {{instance.depot.name}}}'}
    assert "may not view" in refused(as_ada, **template)["payload_template"][0]
    by_type = {"signals": ["example.vehicle.*"], "payload_template": template["payload_template"]}
    assert "may not view" in refused(as_ada, **by_type)["payload_template"][0]
    both = client_of(user_who_may_view("eve", "vehicle", "depot"))
    assert both.post("/api/hooks/", {"target_url": URL, **template}).status_code == 201
    assert a_hook(as_ada, payload_template='{"depot": {{instance.depot}}}'), "its key is the vehicle's own"


def test_staff_hook_what_they_like_but_import_no_code_that_is_not_offered(as_staff: APIClient) -> None:
    assert a_hook(as_staff, model="auth.user", signals=["created"])
    assert a_hook(as_staff, model=None, signals=["*.*", "weather.station.storm"])
    assert a_hook(as_staff, serializer_class="tests.example.serializers.VehicleSerializer")
    answer = as_staff.post("/api/hooks/", {"model": "example.vehicle", "target_url": URL, "signals": [BROKEN_DOWN]})
    assert "no signal that hooks are offered" in answer.json()["signals"][0]


def test_custom_signals_that_are_offered_can_be_hooked(as_ada: APIClient, settings: Any) -> None:
    Signal.objects.create(name=BROKEN_DOWN)
    assert a_hook(as_ada, signals=[BROKEN_DOWN])
    assert as_ada.get("/api/event-types/").json()["signals"] == [{"signal": BROKEN_DOWN, "action": "broken_down"}]


def test_event_types_are_those_that_one_may_be_notified_of(
    as_ada: APIClient, as_staff: APIClient, settings: Any
) -> None:
    of_ada = {one.pop("model"): one for one in as_ada.get("/api/event-types/").json()["models"]}
    types = ["example.vehicle.created", "example.vehicle.updated", "example.vehicle.deleted"]
    assert of_ada.pop("example.vehicle") == {"name": "vehicle", "event_types": types}
    by_object = {"targets.target", "observations.observationrecord", "dataproducts.dataproduct"}
    assert of_ada.keys() == by_object, "of these, each webhook gets what its owner may view"
    of_staff = [one["model"] for one in as_staff.get("/api/event-types/").json()["models"]]
    assert {"auth.user", "example.depot", "example.vehicle", "targets.target"} <= set(of_staff)
    assert not {"sessions.session", "heliostat_webhooks.hook", "example.oldvehicle"} & set(of_staff)
    settings.HOOK_ALLOWED_MODELS = ["example.Depot"]
    assert [one["model"] for one in as_staff.get("/api/event-types/").json()["models"]] == ["example.depot"]
    assert as_ada.get("/api/event-types/").json()["models"] == []


def test_declared_event_types_are_shown_to_those_who_may_name_them(
    as_ada: APIClient, as_staff: APIClient, settings: Any
) -> None:
    settings.HELIOSTAT_EVENT_TYPES = {"example.depot.closed": "", "weather.station.storm": "A storm."}
    shown = {one["event_type"]: one["description"] for one in as_ada.get("/api/event-types/").json()["declared"]}
    assert shown["example.vehicle.crashed"] == "A vehicle had an accident."
    assert not {"example.depot.closed", "weather.station.storm", "webhooks.hook.disabled"} & shown.keys()
    shown = {one["event_type"]: one["description"] for one in as_staff.get("/api/event-types/").json()["declared"]}
    assert shown["weather.station.storm"] == "A storm."
    assert {"example.depot.closed", "webhooks.hook.disabled", "hook_point.vehicle_crashed"} <= shown.keys()
    assert a_hook(as_ada, signals=["crashed", "example.vehicle.crashed"])
    errors = as_ada.post("/api/hooks/", {"model": "example.vehicle", "target_url": URL, "signals": ["crashd"]}).json()
    assert "Did you mean crashed" in errors["signals"][0]


def test_models_that_are_not_allowed_cannot_be_hooked_by_event_type_either(as_staff: APIClient, settings: Any) -> None:
    settings.HOOK_ALLOWED_MODELS = ["example.Vehicle"]
    for signals in (["example.depot.created"], ["example.*"], ["example.dep*"], ["*.created"]):
        assert "HOOK_ALLOWED_MODELS" in refused(as_staff, signals=signals)["signals"][0]
    assert a_hook(as_staff, model=None, signals=["example.vehicle.*", "weather.station.storm"])


def test_users_have_so_many_hooks_at_most(
    as_ada: APIClient, as_ben: APIClient, as_staff: APIClient, settings: Any
) -> None:
    settings.HELIOSTAT_HOOKS_PER_USER = 2
    first, _ = a_hook(as_ada), a_hook(as_ada)
    refused = as_ada.post("/api/hooks/", {"model": "example.vehicle", "target_url": URL})
    assert (refused.status_code, refused.json()) == (409, {"detail": "You have 2 hooks; delete one first."})
    assert a_hook(as_ben), "the hooks of others are not counted"
    assert [a_hook(as_staff) for _ in range(3)]
    as_ada.delete(f"/api/hooks/{first['id']}/")
    assert a_hook(as_ada)


def test_who_logged_in_over_a_page_makes_a_hook_too(ada: User) -> None:
    client = APIClient()
    client.default_format = "json"
    client.force_login(ada)
    assert a_hook(client)["user"] == ada.pk


@pytest.mark.django_db(transaction=True)
def test_two_requests_at_once_make_no_more_hooks_than_one_may_have(ada: User, settings: Any, monkeypatch: Any) -> None:
    settings.HELIOSTAT_HOOKS_PER_USER = 1
    both_have_asked = Barrier(2)

    def asked_together(user: Any) -> bool:
        answer = may_add_hook(user)
        with suppress(BrokenBarrierError):
            both_have_asked.wait(1)
        return answer

    def make(client: APIClient) -> int:
        try:
            return client.post("/api/hooks/", {"model": "example.vehicle", "target_url": URL}).status_code
        finally:
            connections.close_all()

    monkeypatch.setattr(views, "may_add_hook", asked_together)
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(make, [client_of(ada), client_of(ada)])) == [201, 409]


def whose_name(user: Any, model: type, object_id: str) -> bool:
    """A policy of a project's own: depots are open to all, a vehicle to who has its name."""
    return model is Depot or (model is Vehicle and Vehicle.objects.filter(pk=object_id or 0, name=user).exists())


def test_a_project_can_say_itself_who_may_hook_what(as_ada: APIClient, settings: Any) -> None:
    settings.HELIOSTAT_MAY_HOOK = f"{__name__}.whose_name"
    hers, other = Vehicle.objects.create(name="ada"), Vehicle.objects.create(name="55")
    assert refused(as_ada, model="example.vehicle") == {"model": [NO_SUCH_MODEL]}
    assert refused(as_ada, model="example.vehicle", object_id=str(other.pk)) == {"model": [NO_SUCH_MODEL]}
    assert a_hook(as_ada, model="example.vehicle", object_id=str(hers.pk))
    assert a_hook(as_ada, model="example.depot")
    assert as_ada.post("/api/hooks/", {"target_url": URL, "model": "auth.user"}).status_code == 400


class ByObject:
    """An authentication backend that knows objects: everybody may view the vehicle 55."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def has_perm(self, user: Any, permission: str, one: Any = None) -> bool:
        return permission == "example.view_vehicle" and one is not None and one.name == "55"


def test_permission_to_view_one_object_is_enough_to_hook_that_one(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.ByObject"]
    open_one, other = Vehicle.objects.create(name="55"), Vehicle.objects.create(name="56")
    client = client_of(user_who_may_view("eve"))
    for object_id in (str(other.pk), "", "not there", "9" * 40):
        assert refused(client, model="example.vehicle", object_id=object_id) == {"model": [NO_SUCH_MODEL]}
    assert a_hook(client, object_id=str(open_one.pk))


def test_a_permission_of_ones_group_counts(ada: User) -> None:
    group = Group.objects.create(name="drivers")
    group.permissions.set(ada.user_permissions.all())
    eve = user_who_may_view("eve")
    eve.groups.add(group)
    assert a_hook(client_of(eve))


@pytest.mark.parametrize("path", ["nothing.such", "tests.api.test_policy.URL", ""])
def test_a_policy_that_cannot_be_called_is_found_when_the_project_starts(path: str, settings: Any) -> None:
    settings.HELIOSTAT_MAY_HOOK = path
    assert [message.id for message in run_checks(databases=[])] == ["heliostat.E040"]


def test_a_mistyped_policy_is_recognised(settings: Any) -> None:
    settings.HELIOSTAT_MAY_HOOK = "heliostat.webhooks.owners.may_veiw"
    (message,) = run_checks(databases=[])
    assert "Did you mean heliostat.webhooks.owners.may_view" in message.msg
