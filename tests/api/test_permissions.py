"""Django's permissions for every verb: `is_staff` opens nothing, and owners keep what they may do with their own."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.utils import timezone
from rest_framework.test import APIClient

from heliostat.outbox.models import Attempt, Callback
from heliostat.webhooks import owners
from heliostat.webhooks.models import Hook
from tests.api.conftest import URL, a_hook, client_of, user_who_may_view
from tests.api.test_access import OF_A_DELIVERY, OF_A_HOOK, OF_ALL, OTHERS, SINCE
from tests.example.models import Vehicle
from tests.outbox.callbacks import ended

pytestmark = pytest.mark.django_db

USERS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "staff": (),
    "models": ("view_vehicle",),
    "viewer": ("view_hook", "view_callback"),
    "editor": ("view_hook", "change_hook", "view_vehicle"),
    "changer": ("change_hook", "view_vehicle"),
    "remover": ("view_hook", "delete_hook"),
    "reader": ("view_callback",),
    "resender": ("view_hook", "change_callback"),
}
VIEWERS, CHANGERS = ("viewer", "editor", "changer", "remover", "resender"), ("editor", "changer")


def verb_of(route: str, method: str) -> str:
    if route in OF_A_DELIVERY:
        return "view delivery" if method == "get" else "change delivery"
    if route == "hooks/{hook}/resend/":
        return "resend"
    return {"get": "view", "delete": "delete"}.get(method, "change")


def expected(name: str, verb: str) -> str:
    """yes, hidden (404) or refused (403)."""
    if name in ("owner", "superuser"):
        return "yes"
    if verb.endswith("delivery"):
        if name not in ("viewer", "reader", "resender"):
            return "hidden"
        return "yes" if verb == "view delivery" or name == "resender" else "refused"
    if name not in VIEWERS:
        return "hidden"
    may = {"view": VIEWERS, "change": CHANGERS, "delete": ("remover",), "resend": ("resender",)}[verb]
    return "yes" if name in may else "refused"


def user_called(name: str) -> User:
    if name == "superuser":
        return User.objects.create_superuser(name)
    user = User.objects.create_user(name, is_staff=name != "plain")
    user.user_permissions.set(Permission.objects.filter(codename__in=USERS[name]))
    return user


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Hook, Callback, Attempt)]


@pytest.fixture
def hook(ada: User) -> Hook:
    """Ada's hook, with a delivery that was sent."""
    made = Hook.objects.create(user=ada, signals=["example.vehicle.*"], target_url=URL)
    ended("default", made.subscriber)
    return made


def ids(hook: Hook) -> dict[str, int]:
    return {"hook": hook.pk, "delivery": Callback.objects.filter(subscriber=hook.subscriber).earliest("id").pk}


@pytest.mark.parametrize("owned", [True, False], ids=["another's", "the site's"])
@pytest.mark.parametrize("name", [*USERS, "superuser"])
@pytest.mark.parametrize(("route", "method", "body"), OTHERS)
def test_what_belongs_to_others_needs_the_permission_for_the_verb(
    hook: Hook, name: str, route: str, method: str, body: Any, owned: bool
) -> None:
    if not owned:
        Hook.objects.update(user=None)
    client, before = client_of(user_called(name)), rows()
    answer = getattr(client, method)(f"/api/{route.format(**ids(hook))}", body)
    outcome = expected(name, verb_of(route, method))
    if outcome == "yes":
        assert answer.status_code in (200, 202, 204), answer.content
    else:
        assert answer.status_code == (404 if outcome == "hidden" else 403), answer.content
        assert rows() == before


@pytest.mark.parametrize("name", [*USERS, "superuser"])
def test_lists_hold_what_a_user_may_view(hook: Hook, name: str) -> None:
    sites = Hook.objects.create(signals=["example.vehicle.*"], target_url=URL)
    ended("default", sites.subscriber)
    user = user_called(name)
    own = Hook.objects.create(user=user, signals=["example.vehicle.*"], target_url=URL)
    ended("default", own.subscriber)
    client = client_of(user)
    hooks = {one["id"] for one in client.get("/api/hooks/").json()["results"]}
    notified = {one["hook"] for one in client.get("/api/deliveries/").json()["results"]}
    everything = {hook.pk, sites.pk, own.pk}
    assert hooks == (everything if name in (*VIEWERS, "superuser") else {own.pk})
    sees_all = name in ("viewer", "reader", "resender", "superuser")
    assert notified == (everything if sees_all else {own.pk})
    assert client.get(f"/api/deliveries/?hook={hook.pk}").status_code == (200 if sees_all else 404)
    some = [Callback.objects.get(subscriber=one.subscriber).pk for one in (hook, sites, own)]
    answer = client.post("/api/deliveries/resend/", {"deliveries": some})
    allowed = 202 if name in ("resender", "superuser") else 403 if sees_all else 404
    assert answer.status_code == allowed


@pytest.mark.parametrize(("route", "methods"), [*OF_A_HOOK.items(), *OF_A_DELIVERY.items(), *OF_ALL.items()])
def test_a_token_of_a_deactivated_user_opens_nothing(hook: Hook, route: str, methods: dict[str, Any]) -> None:
    root = user_called("superuser")
    clients = [client_of(root), client_of(hook.user)]
    User.objects.update(is_active=False)
    before = rows()
    for client in clients:
        for method, body in methods.items():
            assert getattr(client, method)(f"/api/{route.format(**ids(hook))}", body).status_code == 401
    assert rows() == before


def test_a_permission_that_was_taken_away_counts_no_longer(hook: Hook) -> None:
    editor = user_called("editor")
    client, address = client_of(editor), f"/api/hooks/{hook.pk}/"
    assert client.patch(address, {"name": "x"}).status_code == 200
    editor.user_permissions.set(Permission.objects.filter(codename="view_hook"))
    assert client.patch(address, {"name": "y"}).status_code == 403
    editor.user_permissions.clear()
    assert client.patch(address, {"name": "y"}).status_code == 404


def test_who_may_only_look_sees_no_key_in_an_address_and_changes_nothing(hook: Hook) -> None:
    Hook.objects.update(
        target_url="https://ada:42@receiver.example.com/k3y?token=k3y",
        headers='{"X-Key": "k3y", "Authorization": "k3y"}',
    )
    client, address, before = client_of(user_called("viewer")), f"/api/hooks/{hook.pk}/", rows()
    shown = client.get(address)
    assert "k3y" not in shown.content.decode()
    assert "42@" not in shown.content.decode()
    assert shown.json()["target_url"] == "https://receiver.example.com/********"
    assert "k3y" not in client.get("/api/hooks/").content.decode()
    ben = user_who_may_view("ben").pk
    for fields in ({"headers": {}}, {"user": ben}, {"user": None}, {"target_url": URL}, {"filters": {}}, {"name": ""}):
        assert client.patch(address, fields).status_code == 403
    assert client.put(address, shown.json()).status_code == 403
    assert rows() == before
    assert "k3y?token" in client_of(hook.user).get(address).json()["target_url"]


def test_whose_a_hook_is_only_users_say_who_may_change_hooks(hook: Hook, as_ada: APIClient) -> None:
    ben = user_who_may_view("ben", "vehicle").pk
    address = f"/api/hooks/{hook.pk}/"
    for user in (ben, None):
        assert as_ada.patch(address, {"user": user}).status_code == 400
    editor = client_of(user_called("editor"))
    assert editor.patch(address, {"user": ben}).json()["user"] == ben
    new = {"model": "example.vehicle", "target_url": URL, "user": ben}
    assert editor.post("/api/hooks/", new).status_code == 400, "to make one for another needs permission to add, too"
    User.objects.get(username="editor").user_permissions.add(Permission.objects.get(codename="add_hook"))
    assert editor.post("/api/hooks/", new).json()["user"] == ben
    assert editor.post("/api/hooks/", {**new, "user": None}).json()["user"] is None


def test_who_may_change_hooks_is_not_notified_what_they_may_not_view(hook: Hook, as_staff: APIClient) -> None:
    """To send another's hook on users to an address of one's own is to read users."""
    secret = Hook.objects.create(user=hook.user, signals=["auth.user.*"], target_url=URL)
    editor, before = client_of(user_called("editor")), rows()
    address = f"/api/hooks/{secret.pk}/"
    mine = {"target_url": "https://mine.example.com/"}
    Hook.objects.filter(pk=secret.pk).update(user=None)
    before = rows()
    for fields in (mine, {"filters": {"changed": ["name"]}}, {"payload_template": '{"a": "{{instance.email}}"}'}):
        assert editor.patch(address, fields).status_code == 400, fields
    assert editor.post("/api/hooks/", {"model": "auth.user", **mine}).status_code == 400
    assert rows() == before
    assert editor.patch(address, {"name": "x"}).status_code == 200
    assert as_staff.patch(address, mine).status_code == 200


@pytest.mark.parametrize("name", ["owner", "editor"])
def test_a_serializer_is_named_by_superusers_only(
    hook: Hook, as_ada: APIClient, as_staff: APIClient, name: str
) -> None:
    client, address = as_ada if name == "owner" else client_of(user_called(name)), f"/api/hooks/{hook.pk}/"
    serializer = {"serializer_class": "tests.example.serializers.VehicleSerializer"}
    assert client.patch(address, serializer).status_code == 400
    assert client.post("/api/hooks/", {"model": "example.vehicle", "target_url": URL, **serializer}).status_code == 400
    assert as_staff.patch(address, serializer).status_code == 200
    assert client.put(address, client.get(address).json()).status_code == 200, "what is there may stay"


BY_OBJECT = {"targets.target", "observations.observationrecord", "dataproducts.dataproduct"}
"""The models whose objects have permissions of their own."""


def test_staff_hook_only_what_they_may_view(settings: Any) -> None:
    staff = client_of(user_called("staff"))
    for asked in ({"model": "auth.user"}, {"signals": ["*.*"]}, {"signals": ["weather.station.storm"]}):
        assert staff.post("/api/hooks/", {"target_url": URL, **asked}).status_code == 400, asked
    models = {one["model"] for one in staff.get("/api/event-types/").json()["models"]}
    assert models == BY_OBJECT, "of these, each webhook gets what its owner may view"
    User.objects.get().user_permissions.set(Permission.objects.filter(codename="view_event"))
    assert staff.post("/api/hooks/", {"target_url": URL, "signals": ["*.*"]}).status_code == 400
    User.objects.get().user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    assert a_hook(staff, model=None, signals=["*.*"])
    settings.HELIOSTAT_HOOKS_PER_USER = 1
    assert staff.post("/api/hooks/", {"target_url": URL, "model": "auth.user"}).status_code == 409


class OneHook:
    """An authentication backend that knows objects: everybody may change the hook called open, and see deliveries."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def has_perm(self, user: Any, permission: str, one: Any = None) -> bool:
        if permission.endswith("_callback"):
            return isinstance(one, Callback) and Hook.objects.filter(name="open", pk=one.subscriber[5:]).exists()
        return permission == "heliostat_webhooks.change_hook" and getattr(one, "name", "") == "open"


def test_permission_on_one_hook_counts_for_that_hook_alone(hook: Hook, ada: User, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.OneHook"]
    opened = Hook.objects.create(user=ada, name="open", signals=["example.vehicle.*"], target_url=URL)
    notified = ended("default", opened.subscriber)[0]
    client = client_of(user_who_may_view("eve", "vehicle"))
    address = f"/api/hooks/{opened.pk}/"
    shown = client.get(address)
    assert shown.json()["target_url"] == URL
    assert client.put(address, {**shown.json(), "max_per_second": 1}).status_code == 200
    assert client.post(f"{address}rotate-secret/").status_code == 200
    assert client.delete(address).status_code == 403
    assert client.patch(f"/api/hooks/{hook.pk}/", {"max_per_second": 1}).status_code == 404
    assert client.post(f"/api/deliveries/{notified.pk}/resend/").status_code == 202
    assert client.get(f"/api/deliveries/{ids(hook)['delivery']}/").status_code == 404
    some = {"deliveries": [notified.pk, ids(hook)["delivery"]]}
    assert client.post("/api/deliveries/resend/", some).status_code == 404


def test_hooks_that_people_make_or_change_ask_for_permission_at_delivery(as_ada: APIClient, hook: Hook) -> None:
    assert Hook.objects.get(pk=a_hook(as_ada)["id"]).enforce_permissions
    assert not Hook.objects.get(pk=hook.pk).enforce_permissions, "code made it"
    assert as_ada.patch(f"/api/hooks/{hook.pk}/", {"name": "mine"}).status_code == 200
    assert Hook.objects.get(pk=hook.pk).enforce_permissions


LOCKED: tuple[dict[str, Any], ...] = (
    {"target_url": "https://other.example.com/"},
    {"filters": {"changed": ["name"]}},
    {"headers": {"X-A": "b"}},
    {"payload_template": '{"a": "b"}'},
    {"model": "example.depot", "signals": []},
)


def test_while_an_owner_has_no_right_the_hook_stays_as_it_is(as_ada: APIClient, ada: User) -> None:
    made = a_hook(as_ada, headers={"X-A": "a"})
    address = f"/api/hooks/{made['id']}/"
    ada.user_permissions.set(Permission.objects.filter(codename="view_depot"))
    secret = Hook.objects.get().encrypted_secret
    for fields in (*LOCKED, {"headers": {}}):
        answer = as_ada.patch(address, fields)
        assert answer.status_code == 403, fields
        assert owners.NOT_ALLOWED in answer.json()["detail"]
    assert as_ada.post(f"{address}rotate-secret/").status_code == 403
    row = Hook.objects.get()
    assert (row.target_url, row.encrypted_secret, row.headers) == (URL, secret, '{"X-A": "a"}')
    assert as_ada.patch(address, {"name": "mine"}).status_code == 200
    assert as_ada.post(f"{address}pause/").status_code == 200
    ada.user_permissions.set(Permission.objects.filter(codename__in=["view_vehicle", "view_depot"]))
    for fields in LOCKED:
        assert as_ada.patch(address, fields).status_code == 200, fields
    assert as_ada.post(f"{address}rotate-secret/").status_code == 200
    assert as_ada.delete(address).status_code == 204


def test_the_hook_of_an_inactive_owner_is_changed_when_it_gets_another_owner(hook: Hook, as_staff: APIClient) -> None:
    User.objects.filter(pk=hook.user_id).update(is_active=False)
    address, other = f"/api/hooks/{hook.pk}/", user_who_may_view("eve", "vehicle").pk
    moved = {"target_url": "https://other.example.com/"}
    answer = as_staff.patch(address, moved)
    assert (answer.status_code, owners.INACTIVE in answer.json()["detail"]) == (403, True)
    assert as_staff.post(f"{address}rotate-secret/").status_code == 403
    assert as_staff.patch(address, {**moved, "user": other}).status_code == 200


def test_an_owner_without_the_right_may_delete_the_hook_and_reads_no_body(as_ada: APIClient, ada: User) -> None:
    made = a_hook(as_ada)
    Vehicle.objects.create(name="55")
    notified = Callback.objects.get()
    address = f"/api/deliveries/{notified.pk}/"
    assert "55" in as_ada.get(address).json()["body"]
    ada.user_permissions.clear()
    assert as_ada.get(address).json()["body"] is None
    assert as_ada.get("/api/deliveries/").json()["results"][0]["id"] == notified.pk
    assert "55" in client_of(user_called("viewer")).get(address).json()["body"]
    assert as_ada.delete(f"/api/hooks/{made['id']}/").status_code == 204


def test_a_bulk_resend_of_anothers_hook_only_counts_for_who_may_send_it(hook: Hook) -> None:
    viewer = client_of(user_called("viewer"))
    assert viewer.post(f"/api/hooks/{hook.pk}/resend/?preview=true", SINCE).status_code == 403


MOVED = {"model": "example.depot", "signals": [], "target_url": "https://eve.example.com/"}


def test_a_hook_on_what_an_editor_may_not_view_is_not_turned_to_something_else(as_ada: APIClient) -> None:
    """Its log, and what waits for it, would be theirs."""
    address, before = f"/api/hooks/{a_hook(as_ada)['id']}/", rows()
    eve = user_who_may_view("eve", "depot", "hook")
    eve.user_permissions.add(Permission.objects.get(codename="change_hook"))
    for fields in ({**MOVED, "user": eve.pk}, MOVED, {"user": eve.pk}, {"target_url": URL + "/x"}):
        assert client_of(eve).patch(address, fields).status_code == 400, fields
    assert rows() == before
    eve.user_permissions.add(Permission.objects.get(codename="view_vehicle"))
    assert client_of(eve).patch(address, {**MOVED, "user": eve.pk}).status_code == 200


def test_the_new_owner_of_a_hook_reads_and_resends_only_what_they_may_view(
    as_ada: APIClient, as_staff: APIClient
) -> None:
    key = a_hook(as_ada)["id"]
    as_ada.post(f"/api/hooks/{key}/ping/")
    ping = Callback.objects.get().pk
    Vehicle.objects.create(name="55")
    Callback.objects.update(status="cancelled")
    notified = Callback.objects.latest("id").pk
    eve = user_who_may_view("eve", "depot")
    assert as_staff.patch(f"/api/hooks/{key}/", {**MOVED, "user": eve.pk}).status_code == 200
    client, everything = client_of(eve), {**SINCE, "ended_as": "cancelled"}
    assert client.get(f"/api/deliveries/{notified}/").json()["body"] is None
    answer = {"response": "55", "response_headers": "X-Name: 55"}  # of a receiver that repeats what it gets
    Attempt.objects.create(
        callback_id=notified, number=1, started_at=timezone.now(), duration_ms=1, outcome="sent", **answer
    )
    (shown,) = client.get(f"/api/deliveries/{notified}/attempts/").json()["results"]
    assert (shown["response"], shown["response_headers"], shown["outcome"]) == ("", "", "sent")
    assert client.post(f"/api/deliveries/{notified}/resend/").status_code == 403
    assert client.post("/api/deliveries/resend/", {"deliveries": [notified]}).status_code == 403
    assert client.post(f"/api/hooks/{key}/resend/", everything).status_code == 403
    assert client.get(f"/api/deliveries/{ping}/").json()["body"]
    assert client.post(f"/api/deliveries/{ping}/resend/").status_code == 202
    eve.user_permissions.add(Permission.objects.get(codename="view_vehicle"))
    assert "55" in client.get(f"/api/deliveries/{notified}/").json()["body"]
    for one in (client, as_staff):
        (shown,) = one.get(f"/api/deliveries/{notified}/attempts/").json()["results"]
        assert {name: shown[name] for name in answer} == answer
    assert client.post(f"/api/hooks/{key}/resend/", everything).json()["count"] == 1
