"""The admin of hooks and of the log asks Django's permissions for every page, button and action."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from heliostat.outbox.models import Callback, Event
from heliostat.webhooks import owners
from heliostat.webhooks.models import Hook
from tests.api.conftest import user_who_may_view
from tests.outbox.callbacks import ended
from tests.webhooks.admin.hook_form import ADD, URL, typed

pytestmark = pytest.mark.django_db

USERS: dict[str, tuple[str, ...] | None] = {
    "anonymous": None,
    "owner": (),  # no staff
    "staff": (),
    "viewer": ("view_hook", "view_callback", "view_event"),
    "adder": ("add_hook", "view_vehicle"),
    "editor": ("change_hook", "view_vehicle"),
    "remover": ("view_hook", "delete_hook"),
    "resender": ("view_callback", "change_callback"),
    "superuser": (),
}
HOOKS, CALLBACKS, EVENTS = (
    f"/admin/heliostat_{name}/" for name in ("webhooks/hook", "outbox/callback", "outbox/event")
)
SEES, CHANGES = ("viewer", "editor", "remover", "superuser"), ("editor", "superuser")
READS, RESENDS = ("viewer", "resender", "superuser"), ("resender", "superuser")
TOOLS = ("ping", "pause", "resume", "enable", "disable")
HOOK = {"a hook": "filled in"}  # stands for a form that is filled in rightly
SINCE = {"since_0": "2020-01-01", "since_1": "00:00", "status": "error", "confirmed": "1"}
MATRIX: list[tuple[str, str, dict[str, Any], tuple[str, ...]]] = [
    (HOOKS, "get", {}, SEES),
    (ADD, "get", {}, ("adder", "superuser")),
    (ADD, "post", HOOK, ("adder", "superuser")),
    (f"{HOOKS}preview/", "post", HOOK, ("adder", "superuser")),
    (f"{HOOKS}{{hook}}/change/", "get", {}, SEES),
    (f"{HOOKS}{{hook}}/change/", "post", HOOK, CHANGES),
    (f"{HOOKS}{{hook}}/history/", "get", {}, SEES),
    (f"{HOOKS}{{hook}}/delete/", "get", {}, ("remover", "superuser")),
    (f"{HOOKS}{{hook}}/delete/", "post", {"post": "yes"}, ("remover", "superuser")),
    (f"{HOOKS}{{hook}}/preview/", "post", HOOK, CHANGES),
    (f"{HOOKS}{{hook}}/rotate/", "get", {}, CHANGES),
    (f"{HOOKS}{{hook}}/rotate/", "post", {"signature": "v1", "overlap": "1", "seen": "x"}, CHANGES),
    *((f"{HOOKS}{{hook}}/{tool}/", "post", {}, CHANGES) for tool in TOOLS),
    (CALLBACKS, "get", {}, READS),
    (f"{CALLBACKS}{{callback}}/change/", "get", {}, READS),
    (f"{CALLBACKS}{{callback}}/send-again/", "post", {}, RESENDS),
    (f"{CALLBACKS}send-failed/", "get", {}, RESENDS),
    (f"{CALLBACKS}send-failed/", "post", SINCE, RESENDS),
    (EVENTS, "get", {}, ("viewer", "superuser")),
    (f"{EVENTS}{{event}}/change/", "get", {}, ("viewer", "superuser")),
]
ACTIONS = [(HOOKS, tool, CHANGES) for tool in TOOLS] + [
    (HOOKS, "delete_selected", ("remover", "superuser")),
    (CALLBACKS, "send_again", RESENDS),
]


def user_called(name: str) -> User:
    user = User.objects.create_user(name, is_staff=name != "owner", is_superuser=name == "superuser")
    user.user_permissions.set(Permission.objects.filter(codename__in=USERS[name] or ()))
    return user


def as_user(name: str) -> Client:
    client = Client()
    if name != "anonymous":
        client.force_login(User.objects.filter(username=name).first() or user_called(name))
    return client


@pytest.fixture
def hook() -> Hook:
    """A hook of a user who is no staff, with a delivery that was sent."""
    owner = user_called("owner")
    owner.user_permissions.set(Permission.objects.filter(codename="view_vehicle"))
    made = Hook.objects.create(user=owner, model=ContentType.objects.get(model="vehicle"), target_url=URL)
    ended("default", made.subscriber)
    return made


def ids(hook: Hook) -> dict[str, Any]:
    callback = Callback.objects.filter(subscriber=hook.subscriber).earliest("id")
    return {"hook": hook.pk, "callback": callback.pk, "event": callback.event_id}


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Hook, Callback, Event)]


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize(("address", "method", "form", "allowed"), MATRIX)
def test_each_page_needs_its_permission(
    hook: Hook, name: str, address: str, method: str, form: dict[str, Any], allowed: tuple[str, ...]
) -> None:
    client, before = as_user(name), rows()
    answer = getattr(client, method)(address.format(**ids(hook)), typed() if form is HOOK else form)
    if name in allowed:
        assert answer.status_code in (200, 302)
        assert "/login/" not in answer.headers.get("Location", "")
    elif name in ("anonymous", "owner"):
        assert answer.headers["Location"].startswith("/admin/login/")
        assert rows() == before
    else:
        assert answer.status_code == 403
        assert rows() == before


@pytest.mark.parametrize("name", [name for name in USERS if name not in ("anonymous", "owner")])
@pytest.mark.parametrize(("page", "action", "allowed"), ACTIONS)
def test_each_action_needs_its_permission(
    hook: Hook, name: str, page: str, action: str, allowed: tuple[str, ...]
) -> None:
    chosen = ids(hook)["hook" if page == HOOKS else "callback"]
    client, before = as_user(name), rows()
    client.post(page, {"action": action, "_selected_action": str(chosen), "post": "yes"})
    assert (rows() != before) is (name in allowed)


@pytest.mark.parametrize("name", USERS)
def test_a_user_who_was_deactivated_opens_nothing(hook: Hook, name: str) -> None:
    client, before = as_user(name), rows()
    User.objects.update(is_active=False)
    for address, method, form, _ in MATRIX:
        answer = getattr(client, method)(address.format(**ids(hook)), typed() if form is HOOK else form)
        assert answer.headers["Location"].startswith("/admin/login/"), address
    assert rows() == before


def test_who_may_only_look_reads_no_secret_and_searches_none(hook: Hook) -> None:
    Hook.objects.update(target_url=f"{URL}/k3y", headers="Authorization: k3y")
    viewer = as_user("viewer")
    assert "k3y" not in viewer.get(HOOKS).content.decode()
    assert "k3y" not in viewer.get(f"{HOOKS}{hook.pk}/change/").content.decode()
    for query in ("q=k3y", "target_url__contains=k3y", "headers__contains=k3y", "encrypted_secret__startswith=a"):
        page = viewer.get(f"{HOOKS}?{query}", follow=True)
        assert page.status_code != 200 or page.context["cl"].result_count in (0, 1)
    assert viewer.get(f"{HOOKS}?q=k3y").context["cl"].result_count == 0


def test_how_deliveries_fare_is_shown_only_with_permission_to_view_callbacks(hook: Hook) -> None:
    for name, shown in (("viewer", True), ("remover", False), ("superuser", True)):
        client = as_user(name)
        for address in (HOOKS, f"{HOOKS}{hook.pk}/change/"):
            assert ("last received" in client.get(address).content.decode()) is shown, (name, address)


def test_nobody_makes_a_hook_on_what_they_may_not_view(hook: Hook) -> None:
    """To have it sent to oneself is to view it; and so is another's hook with an address of one's own."""
    users = str(ContentType.objects.get(model="user").pk)
    for name, form in (
        ("adder", typed(model=users)),
        ("adder", typed(model="", signals="*.*")),
        ("adder", typed(payload_template='{"a": "{{instance.depot.name}}"}')),
    ):
        page = as_user(name).post(ADD, form)
        assert page.status_code == 200, form
        assert page.context["adminform"].form.errors
    Hook.objects.update(model=ContentType.objects.get(model="user"), user=None)
    editor, before = as_user("editor"), rows()
    page = f"{HOOKS}{hook.pk}/change/"
    assert editor.post(page, typed(model=users, target_url="https://mine.example.com/")).status_code == 200
    assert rows() == before
    assert editor.post(page, typed(model=users, name="x", user="")).status_code == 302, "the name says nothing"


def test_which_objects_there_are_is_not_said_to_who_may_not_view_them(hook: Hook) -> None:
    client = as_user("adder")
    owner = User.objects.get(username="owner")
    users = ContentType.objects.get_for_model(User).pk
    for address in (ADD, "/admin/heliostat_webhooks/hook/preview/"):
        pages = [client.post(address, typed(model=users, object_id=key)).content.decode() for key in (owner.pk, 987654)]
        assert not any("There is no user" in page for page in pages)


def test_whose_a_new_hook_is_and_its_serializer_are_not_for_everybody_to_say(hook: Hook) -> None:
    other = str(hook.user_id)
    adder = as_user("adder")
    adder.post(ADD, typed(user=other, serializer_class="tests.example.serializers.VehicleSerializer"))
    made = Hook.objects.latest("id")
    assert (made.user, made.serializer_class) == (User.objects.get(username="adder"), "")
    User.objects.get(username="adder").user_permissions.add(Permission.objects.get(codename="change_hook"))
    adder.post(ADD, typed(user=other))
    assert Hook.objects.latest("id").user == hook.user
    editor, page = as_user("editor"), f"{HOOKS}{hook.pk}/change/"
    serializer = typed(user=other, serializer_class="tests.example.serializers.VehicleSerializer")
    assert editor.post(page, serializer).status_code == 302
    assert Hook.objects.get(pk=hook.pk).serializer_class == ""
    assert as_user("superuser").post(page, serializer).status_code == 302
    assert Hook.objects.get(pk=hook.pk).serializer_class != ""


def test_hooks_that_are_made_or_changed_here_ask_for_permission_at_delivery(hook: Hook, admin_client: Client) -> None:
    assert not Hook.objects.get().enforce_permissions
    admin_client.post(f"{HOOKS}{hook.pk}/change/", typed(user=str(hook.user_id), name="x"))
    admin_client.post(ADD, typed())
    assert list(Hook.objects.values_list("enforce_permissions", flat=True)) == [True, True]


def test_the_hook_of_an_owner_without_the_right_stays_as_it_is(hook: Hook, admin_client: Client) -> None:
    User.objects.filter(pk=hook.user_id).update(is_active=False)
    page, owner = f"{HOOKS}{hook.pk}/change/", str(hook.user_id)
    moved = {"target_url": "https://other.example.com/"}
    refused = admin_client.post(page, typed(user=owner, **moved))
    assert owners.INACTIVE in refused.content.decode()
    before = rows()
    rotation = {"signature": "v1", "overlap": "1", "seen": "x"}
    answer = admin_client.post(f"{HOOKS}{hook.pk}/rotate/", rotation, follow=True)
    assert owners.INACTIVE in answer.content.decode()
    assert rows() == before
    assert "its owner is inactive" in admin_client.get(HOOKS).content.decode()
    eve = user_who_may_view("eve", "vehicle").pk
    assert admin_client.post(page, typed(user=str(eve), **moved)).status_code == 302


class OneOfEach:
    """An authentication backend that knows objects: everybody may change one hook, and see and resend its callback."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def has_perm(self, user: Any, permission: str, one: Any = None) -> bool:
        return user.is_active and (
            (permission == "heliostat_webhooks.change_hook" and getattr(one, "name", "") == "open")
            or (permission == "heliostat_outbox.change_callback" and getattr(one, "status_details", "") == "open")
        )


def test_permission_on_one_object_counts_for_that_object_alone(hook: Hook, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.OneOfEach"]
    opened = Hook.objects.create(name="open", user=hook.user, model=hook.model, target_url=URL)
    notified = ended("default", opened.subscriber)[0]
    Callback.objects.filter(pk=notified.pk).update(status_details="open")
    staff = as_user("staff")
    assert staff.get(f"{HOOKS}{opened.pk}/change/").status_code == 200
    assert staff.post(f"{HOOKS}{opened.pk}/pause/").status_code == 302
    assert Hook.objects.get(pk=opened.pk).paused
    assert staff.get(f"{CALLBACKS}{notified.pk}/change/").status_code == 200
    assert staff.post(f"{CALLBACKS}{notified.pk}/send-again/").status_code == 302
    other = ids(hook)["callback"]
    for address in (f"{HOOKS}{hook.pk}/change/", HOOKS, f"{CALLBACKS}{other}/change/", CALLBACKS):
        assert staff.get(address).status_code == 403, address
    for address in (f"{HOOKS}{hook.pk}/pause/", f"{HOOKS}{opened.pk}/delete/", f"{CALLBACKS}{other}/send-again/"):
        assert staff.post(address).status_code == 403, address
