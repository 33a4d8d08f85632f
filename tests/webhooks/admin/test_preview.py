from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.models import Hook
from tests.example.models import Depot, Vehicle
from tests.webhooks.admin.hook_form import URL, typed

pytestmark = pytest.mark.django_db
NEW = "/admin/heliostat_webhooks/hook/preview/"
TEMPLATE = '{"name": "{{instance.name}}", "depot": "{{instance.depot.name}}", "what": "{{event_type}}"}'


def shown(client: Client, address: str = NEW, **values: Any) -> str:
    answer = client.post(address, typed(**values))
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def request_in(page: str) -> tuple[str, dict[str, str], str]:
    """The address line, headers and body that the page shows."""
    head, _, body = re.search(r'<pre class="heliostat-body"[^>]*>(.*?)</pre>', page, re.DOTALL)[1].partition("\n\n")
    line, *headers = head.split("\n")
    return line, dict(header.split(": ", 1) for header in headers), body


def test_it_shows_the_newest_object_in_the_body_that_the_form_would_send(admin_client: Client) -> None:
    for name in ("1", "<b>O'B"):
        Vehicle.objects.create(name=name, depot=Depot.objects.create(name="North"))
    page = shown(admin_client, payload_template=TEMPLATE)
    assert request_in(page)[2] == '{"name": "<b>O\'B", "depot": "North", "what": "updated"}'
    assert "would be notified" in page
    raw = admin_client.post(NEW, typed(payload_template=TEMPLATE)).content.decode()
    assert "<b>O" not in raw


def test_it_shows_the_object_and_the_action_that_are_asked_for(admin_client: Client) -> None:
    one = Vehicle.objects.create(name="55")
    Vehicle.objects.create(name="66")
    page = shown(admin_client, signals="created", **{"preview-object": str(one.pk), "preview-action": "created"})
    body = json.loads(request_in(page)[2])
    assert (body["event_type"], body["object_id"]) == ("created", one.pk)
    assert body["object_serialization"]["name"] == "55"


@pytest.mark.django_db(transaction=True)
def test_what_is_shown_is_what_is_sent(admin_client: Client, receiver: Receiver) -> None:
    bus = Vehicle.objects.create(name="55")
    values = {"target_url": receiver.url, "headers": "X-Key: 1\nA: b", "payload_template": TEMPLATE}
    hook = create_hook(model="vehicle", **values)
    page = shown(admin_client, f"/admin/heliostat_webhooks/hook/{hook.pk}/preview/", **values)
    line, headers, body = request_in(page)
    bus.seats = 99
    bus.save()
    drain_outbox()
    (sent,) = receiver.deliveries
    assert line == f"POST {receiver.url}"
    assert body == sent.body.decode()
    ours = {name.lower() for name, _ in sent.headers.items()} - {"host", "user-agent", "accept", "content-length"}
    assert {name.lower() for name in headers} == ours
    assert headers["X-Key"] == "1"
    assert hook.reveal_secret() not in str(headers)
    assert headers["webhook-signature"] != sent.headers["webhook-signature"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"enabled": ""}, "the hook is disabled"),
        ({"signals": "created"}, None),
        ({"signals": "created", "preview-action": "updated"}, "its signals leave out example.vehicle.updated"),
        ({"filters": '{"changed": ["name"]}'}, "the filter says otherwise: changed"),
        ({"filters": '{"changed": ["name"]}', "preview-changes": "name"}, None),
        ({"filters": '{"from_to": {"seats": {"from": 1}}}', "preview-changes": "seats=2"}, "from_to"),
        ({"filters": '{"from_to": {"seats": {"from": 1}}}', "preview-changes": "seats=1"}, None),
        ({"filters": '{"field": "name", "eq": "66"}'}, "the filter says otherwise: field, eq"),
        ({"filters": '{"field": "name", "eq": "55"}'}, None),
    ],
)
def test_it_says_whether_the_hook_would_be_notified_and_why_not(
    admin_client: Client, values: dict[str, str], words: str | None
) -> None:
    Vehicle.objects.create(name="55", seats=3)
    page = shown(admin_client, **values)
    if words is None:
        assert "<strong>would be notified</strong>" in page
    else:
        assert "would not be notified" in page
        assert words in page


def test_a_paused_hook_is_notified_later(admin_client: Client) -> None:
    Vehicle.objects.create(name="55")
    assert "when the pause ends" in shown(admin_client, paused="on")


def test_a_payload_that_cannot_be_made_is_said_with_its_reason(admin_client: Client) -> None:
    Vehicle.objects.create(name="55")
    serializer = "tests.example.serializers.VehicleSerializer"
    assert json.loads(request_in(shown(admin_client, serializer_class=serializer))[2])["name"] == "55"


def test_nothing_is_sent_or_kept(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    Vehicle.objects.create(name="55")
    create_hook(model="vehicle", target_url=URL)

    def static(self: Vehicle) -> dict[str, Any]:
        self.name = "changed"
        self.save()
        raise ValueError("<oh>")

    monkeypatch.setattr(Vehicle, "get_static_payload", static, raising=False)
    page = shown(admin_client)
    assert "ValueError: <oh>" in page
    assert "nothing would be sent" in page
    assert "<pre" not in page, "the default body is not sent in its place"
    assert Vehicle.objects.get().name == "55"
    assert not Callback.objects.exists()
    assert Hook.objects.count() == 1


def test_an_error_of_the_sites_own_code_is_for_those_who_may_view_callbacks(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    Vehicle.objects.create(name="55")

    def static(self: Vehicle) -> dict[str, Any]:
        raise ValueError("a row of somebody else's")

    monkeypatch.setattr(Vehicle, "get_static_payload", static, raising=False)
    ada = User.objects.create_user("ada", is_staff=True)
    names = ["add_hook", "change_hook", "view_vehicle"]
    for permissions, is_shown in ((names, False), ([*names, "view_callback"], True)):
        ada.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        client.force_login(ada)
        page = shown(client)
        assert "ValueError" in page
        assert ("somebody else's" in page) is is_shown


def test_a_default_body_that_is_too_large_is_said(admin_client: Client, settings: Any) -> None:
    settings.HELIOSTAT_BODY_LIMIT = 1024
    Vehicle.objects.create(name="55", plan={"text": "x" * 2000})
    assert "HELIOSTAT_BODY_LIMIT" in shown(admin_client)


def test_it_shows_what_the_owner_would_be_sent(admin_client: Client) -> None:
    ada = User.objects.create_user("ada")
    ada.user_permissions.set(Permission.objects.filter(codename="view_vehicle"))
    Vehicle.objects.create(name="55", depot=Depot.objects.create(name="North"))
    body = request_in(shown(admin_client, payload_template=TEMPLATE, user=ada.pk))[2]
    assert body == '{"name": "55", "depot": "", "what": "updated"}'


def test_what_is_wrong_in_the_form_is_said(admin_client: Client) -> None:
    page = shown(admin_client, payload_template='{"a": }', target_url="ftp://x", **{"preview-object": "\x00"})
    assert "line 1, column 7" in page
    assert "http" in page
    assert "Null characters" in page
    assert "<pre" not in page


@pytest.mark.parametrize("object_id", ["999", "x", "9" * 100, "1 OR 1=1"])
def test_an_object_that_is_not_there_is_said(admin_client: Client, object_id: str) -> None:
    assert "There is no vehicle with" in shown(admin_client, **{"preview-object": object_id})


def test_a_hook_of_events_without_a_model_has_a_preview_too(admin_client: Client) -> None:
    page = shown(admin_client, model="", signals="weather.storm.began")
    assert json.loads(request_in(page)[2])["type"] == "weather.storm.began"
    bus = Vehicle.objects.create(name="55")
    page = shown(admin_client, model="", signals="example.vehicle.*")
    assert json.loads(request_in(page)[2])["object_id"] == bus.pk


def staff(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user("sam", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def test_nobody_sees_objects_of_a_model_that_he_may_not_view(client: Client) -> None:
    Vehicle.objects.create(name="secret bus")
    staff(client, "add_hook", "view_hook")
    page = shown(client)
    assert "You may not view vehicles" in page
    assert "secret bus" not in page


def test_nobody_sees_through_a_template_what_he_may_not_view(client: Client) -> None:
    Vehicle.objects.create(name="55", depot=Depot.objects.create(name="secret depot"))
    staff(client, "add_hook", "view_vehicle")
    page = shown(client, payload_template=TEMPLATE)
    assert "You may not view depots" in page
    assert "secret depot" not in page
    assert '"55"' in shown(client, payload_template='{"a": "{{instance.name}}"}')


def test_nobody_sees_objects_that_the_models_own_page_hides(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = User.objects.create_user("hidden")
    page = admin.site.get_model_admin(User)
    monkeypatch.setattr(page, "get_queryset", lambda request: User.objects.filter(pk=request.user.pk))
    staff(client, "add_hook", "view_user")
    values = {"model": str(ContentType.objects.get_for_model(User).pk)}
    assert '"sam"' in shown(client, **values)
    refused = shown(client, **values, **{"preview-object": str(hidden.pk)})
    assert "There is no user" in refused
    assert "hidden@" not in refused


def test_who_may_write_no_hooks_sees_no_preview(client: Client) -> None:
    hook = create_hook(model="vehicle", target_url=URL)
    staff(client, "view_hook", "view_vehicle")
    for address in (NEW, f"/admin/heliostat_webhooks/hook/{hook.pk}/preview/"):
        assert client.post(address, typed()).status_code == 403


def test_it_wants_a_post_with_its_token(admin_user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.get(NEW).status_code == 405
    assert strict.post(NEW, typed()).status_code == 403


def test_a_script_gets_the_result_alone(admin_client: Client) -> None:
    Vehicle.objects.create(name="55")
    part = admin_client.post(NEW, typed(), headers={"X-Heliostat-Fragment": "1"}).content.decode()
    assert "<html" not in part
    assert "would be notified" in part


ANYTHING = st.text() | st.sampled_from(["\x00", "{", "55", "a=b", "=", '"', "name=" + "9" * 400, "*", ".", "weather.*"])
ASKED = ["preview-object", "preview-action", "preview-changes", "signals", "filters", "payload_template", "model"]


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(ASKED), ANYTHING, max_size=4))
def test_nothing_that_is_asked_breaks_it(admin_client: Client, values: dict[str, str]) -> None:
    if not Vehicle.objects.exists():
        Vehicle.objects.create(name="55")
    values = {name: value.encode("utf-8", "replace").decode() for name, value in values.items()}
    assert shown(admin_client, **values)
    assert ContentType.objects.exists()
