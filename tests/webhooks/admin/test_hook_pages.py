from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from heliostat.outbox.models import Callback, CircuitBreaker, Event
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.models import Hook
from heliostat.webhooks.operations import ping
from tests.example.models import Vehicle
from tests.webhooks.admin.hook_form import ADD, URL, typed

pytestmark = pytest.mark.django_db
HOOKS = "/admin/heliostat_webhooks/hook/"
TOOLS = ("ping", "pause", "resume", "enable", "disable")


def hook(**values: Any) -> Hook:
    return create_hook(**{"model": "vehicle", "target_url": URL, **values})


def test_lists_and_questions_write_hidden_characters_out(admin_client: Client) -> None:
    one = hook()
    Hook.objects.update(name="de\u202epot\x1b")  # by a program
    for page in ("", f"{one.pk}/delete/", f"{one.pk}/history/"):
        text = admin_client.get(HOOKS + page).content.decode()
        assert r"de\u202epot\u001b" in text
        assert not set(text) & {"\u202e", "\x1b"}


@pytest.fixture
def viewer(client: Client) -> Client:
    user = User.objects.create_user("vera", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_hook", "view_callback"]))
    client.force_login(user)
    return client


def test_the_secret_is_shown_once_when_a_hook_is_made(admin_client: Client) -> None:
    page = admin_client.post(ADD, typed(), follow=True).content.decode()
    secret = Hook.objects.get().reveal_secret()
    assert secret in page
    for address in (HOOKS, f"{HOOKS}{Hook.objects.get().pk}/change/", f"{HOOKS}{Hook.objects.get().pk}/history/"):
        assert secret not in admin_client.get(address).content.decode()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "enabled"),
        ({"paused": True}, "paused"),
        (
            {"enabled": False, "disabled_because": "its <b>receiver</b> is gone"},
            "its &lt;b&gt;receiver&lt;/b&gt; is gone",
        ),
        ({"failing_since": timezone.now()}, "since 20"),
        ({"expires_at": timezone.now() - timedelta(days=1)}, "expired"),
        ({"ended": True}, "with its object"),
    ],
)
def test_the_list_and_the_page_say_how_a_hook_is_doing(
    admin_client: Client, values: dict[str, Any], words: str
) -> None:
    one = hook()
    Hook.objects.filter(pk=one.pk).update(**values)
    for address in (HOOKS, f"{HOOKS}{one.pk}/change/"):
        assert words in admin_client.get(address).content.decode()


def test_a_site_without_time_zones_has_the_same_pages(admin_client: Client, settings: Any) -> None:
    settings.USE_TZ = False
    one = hook()
    callback = Callback.objects.get(pk=ping(one).pk)
    past = timezone.now() - timedelta(days=1)
    for values in ({"failing_since": past}, {"expires_at": past}):
        Hook.objects.update(**values)
        for address in (HOOKS, f"{HOOKS}{one.pk}/change/"):
            assert f"{past:%Y-%m-%d}" in admin_client.get(address).content.decode()
    log = "/admin/heliostat_outbox/callback/"
    for address in (f"{log}?since=hour", f"{log}{callback.pk}/change/", f"{log}send-failed/"):
        assert admin_client.get(address).status_code == 200
    assert (
        "<strong>0</strong>"
        in admin_client.post(
            f"{log}send-failed/", {"since_0": "2020-01-01", "since_1": "00:00", "status": "error"}
        ).content.decode()
    )


def test_the_list_says_what_waits_and_when_one_was_last_received(admin_client: Client) -> None:
    busy, idle = hook(name="busy"), hook(name="idle")
    now = timezone.now()
    for number, status in enumerate(["sent", "sent", "waiting", "error", "waiting"]):
        event = Event.objects.create(id=f"{number:032x}", resource="a.b", action="c", body="{}", context="{}")
        updated = now.replace(year=2020 + number)
        Callback.objects.create(event=event, subscriber=busy.subscriber, status=status, updated_at=updated)
    page = admin_client.get(HOOKS)
    shown = {one.name: one.summary for one in page.context["cl"].result_list}
    assert (shown["busy"].waiting, shown["busy"].last_success.year) == (2, 2021)
    assert (shown["idle"].waiting, shown["idle"].last_success) == (0, None)
    assert f"?subscriber={idle.subscriber}" in page.content.decode()


def test_the_list_costs_the_same_queries_for_many_hooks_as_for_few(admin_client: Client) -> None:
    counts = []
    for many in (2, 20):
        for _ in range(many):
            hook()
        with CaptureQueriesContext(connections["default"]) as queries:
            assert admin_client.get(HOOKS).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_each_tool_does_what_its_button_says(admin_client: Client) -> None:
    one = hook()

    def press(tool: str) -> str:
        page = admin_client.post(f"{HOOKS}{one.pk}/{tool}/", follow=True).content.decode()
        one.refresh_from_db()
        return page

    assert "what happens waits" in press("pause")
    assert one.paused
    assert "Resume" in press("ping")
    assert Callback.objects.get().subscriber == one.subscriber
    assert "beginning with what waited" in press("resume")
    assert not one.paused
    assert "is disabled" in press("disable")
    assert (one.enabled, one.disabled_because) == (False, "by hand")
    assert "enable it first" in press("ping")
    assert "is enabled" in press("enable")
    assert (one.enabled, one.disabled_because) == (True, "")
    assert LogEntry.objects.filter(object_id=str(one.pk), change_message="Pause").exists()


def test_actions_do_it_for_many(admin_client: Client) -> None:
    chosen = [hook(), hook()]
    other = hook()
    admin_client.post(HOOKS, {"action": "pause", "_selected_action": [one.pk for one in chosen]})
    assert list(Hook.objects.order_by("pk").values_list("paused", flat=True)) == [True, True, False]
    assert Hook.objects.get(pk=other.pk).enabled


def test_what_is_done_to_many_is_said_in_one_line(admin_client: Client) -> None:
    chosen = [hook(enabled=number > 0) for number in range(8)]
    asked = {"action": "ping", "_selected_action": [one.pk for one in chosen]}
    page = admin_client.post(HOOKS, asked, follow=True).content.decode()
    assert "Send a test event: done for 7 hooks." in page
    assert page.count("enable it first") == 1
    assert Callback.objects.count() == 7


def test_who_may_only_look_can_use_no_tool(viewer: Client) -> None:
    one = hook(name="kept")
    before = Hook.objects.values().get()
    page = viewer.get(f"{HOOKS}{one.pk}/change/").content.decode()
    assert ">Pause<" not in page
    assert "New secret" not in page
    for tool in (*TOOLS, "rotate"):
        assert viewer.post(f"{HOOKS}{one.pk}/{tool}/", {"overlap": 0}).status_code == 403
        viewer.post(HOOKS, {"action": tool, "_selected_action": one.pk})
    assert viewer.get(f"{HOOKS}{one.pk}/rotate/").status_code == 403
    assert viewer.get(f"{ADD}?copy={one.pk}").status_code == 403
    assert Hook.objects.values().get() == before
    assert not Callback.objects.exists()


def test_who_may_only_look_sees_no_keys(viewer: Client, admin_client: Client) -> None:
    one = hook(headers="Authorization: Bearer 12345", target_url="https://receiver.example.com/12345?key=12345")
    page = viewer.get(f"{HOOKS}{one.pk}/change/").content.decode()
    assert "Authorization: ********" in page
    assert "receiver.example.com" in page
    assert "12345" not in page
    assert "12345" not in viewer.get(HOOKS).content.decode()
    assert "12345" in admin_client.get(f"{HOOKS}{one.pk}/change/").content.decode()


def test_a_tool_wants_a_post_with_its_token(admin_client: Client, admin_user: User) -> None:
    one = hook()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    for tool in TOOLS:
        assert strict.get(f"{HOOKS}{one.pk}/{tool}/").status_code == 405
        assert strict.post(f"{HOOKS}{one.pk}/{tool}/").status_code == 403


def test_a_hook_that_does_not_exist_is_not_found(admin_client: Client) -> None:
    for pk in (999, 10**30):
        assert admin_client.post(f"{HOOKS}{pk}/ping/").status_code == 404
        assert admin_client.get(f"{HOOKS}{pk}/rotate/").status_code == 404
        assert admin_client.get(f"{ADD}?copy={pk}").status_code == 200


def test_a_new_secret_is_shown_once_and_the_old_one_counts_for_a_while(admin_client: Client) -> None:
    one = hook()
    old = one.reveal_secret()
    page = admin_client.get(f"{HOOKS}{one.pk}/rotate/").content.decode()
    seen = re.search(r'name="seen" value="(\w+)"', page)[1]
    asked = {"overlap": "2", "signature": "v1", "seen": seen}
    answer = admin_client.post(f"{HOOKS}{one.pk}/rotate/", asked, follow=True)
    one.refresh_from_db()
    assert one.reveal_secret() != old
    assert one.reveal_secret() in answer.content.decode()
    assert timedelta(hours=1) < one.previous_secret_until - timezone.now() <= timedelta(hours=2)
    again = admin_client.post(f"{HOOKS}{one.pk}/rotate/", asked, follow=True).content.decode()
    assert "left as it is" in again
    assert one.reveal_secret() == Hook.objects.get().reveal_secret()
    assert one.reveal_secret() not in again


@pytest.mark.parametrize("overlap", ["", "-1", "x", "9" * 30, "\x00"])
def test_a_wrong_overlap_is_said_beside_its_field(admin_client: Client, overlap: str) -> None:
    one = hook()
    page = admin_client.post(f"{HOOKS}{one.pk}/rotate/", {"overlap": overlap, "signature": "v1", "seen": "x"})
    assert "errorlist" in page.content.decode()
    assert Hook.objects.get().encrypted_secret == one.encrypted_secret


def test_a_hook_comes_to_sign_with_a_private_key_of_which_only_the_public_half_is_shown(admin_client: Client) -> None:
    one = hook()
    page = admin_client.get(f"{HOOKS}{one.pk}/rotate/").content.decode()
    asked = {"overlap": "0", "signature": "v1a", "seen": re.search(r'name="seen" value="(\w+)"', page)[1]}
    page = admin_client.post(f"{HOOKS}{one.pk}/rotate/", asked, follow=True).content.decode()
    one.refresh_from_db()
    assert one.signature == "v1a"
    assert page.count(one.public_key) == 2  # in the message, and in its field from now on
    assert one.reveal_secret() not in page


def test_a_copy_begins_with_what_the_hook_is_and_has_a_secret_of_its_own(admin_client: Client) -> None:
    one = hook(name="first", signals=["created"], headers="a: b", filters={"changed": ["name"]})
    page = admin_client.get(f"{ADD}?copy={one.pk}")
    assert 'value="first (copy)"' in page.content.decode()
    initial = page.context["adminform"].form.initial
    values = {name: value for name, value in initial.items() if value not in (None, "", [], {}, False)}
    admin_client.post(ADD, {**typed(), **values, "filters": '{"changed": ["name"]}'})
    copied = Hook.objects.exclude(pk=one.pk).get()
    assert (copied.signals, copied.headers, copied.filters) == (one.signals, one.headers, one.filters)
    assert copied.reveal_secret() != one.reveal_secret()


def test_a_form_that_was_open_for_long_enables_nothing_that_was_disabled_meanwhile(admin_client: Client) -> None:
    one = hook()
    Hook.objects.update(enabled=False, disabled_because="it failed", paused=True)
    assert admin_client.post(f"{HOOKS}{one.pk}/change/", typed(name="new")).status_code == 302
    one.refresh_from_db()
    assert (one.name, one.enabled, one.paused, one.disabled_because) == ("new", False, True, "it failed")


def test_a_receiver_that_is_left_alone_is_named_with_the_time(admin_client: Client) -> None:
    one = hook()
    CircuitBreaker.objects.create(subscriber=one.subscriber, open_until=timezone.now().replace(year=2999))
    for address in (HOOKS, f"{HOOKS}{one.pk}/change/"):
        assert "left alone until 2999" in admin_client.get(address).content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_test_event_reaches_the_receiver(admin_client: Client, receiver: Receiver) -> None:
    one = hook(target_url=receiver.url)
    page = admin_client.post(f"{HOOKS}{one.pk}/ping/", follow=True).content.decode()
    link = re.search(r"/admin/heliostat_outbox/callback/\d+/change/", page)[0]
    drain_outbox()
    assert receiver.deliveries[0].json["type"] == "heliostat.ping"
    shown = admin_client.get(link).content.decode()
    assert "200 OK" in shown
    assert f"{HOOKS}{one.pk}/change/" in shown


@pytest.mark.django_db(transaction=True)
def test_from_the_log_one_finds_the_object(admin_client: Client, receiver: Receiver) -> None:
    hook(target_url=receiver.url)
    Vehicle.objects.create(name="55")
    drain_outbox()
    event = Event.objects.get()
    assert "example.vehicle" in admin_client.get(f"/admin/heliostat_outbox/event/{event.pk}/change/").content.decode()


@pytest.mark.parametrize("asked", ["headers__contains=Bearer", "target_url__contains=k=42", "encrypted_secret__gt=A"])
def test_a_list_answers_no_question_about_what_it_does_not_show(viewer: Client, asked: str) -> None:
    hook(target_url=f"{URL}?k=42", headers="Authorization: Bearer 42")
    assert viewer.get(f"{HOOKS}?{asked}").status_code == 400
    model = Hook.objects.get().model_id
    for offered in ("enabled__exact=1", "paused__exact=0", f"model__id__exact={model}"):
        assert viewer.get(f"{HOOKS}?{offered}").context["cl"].result_count == 1


def test_an_address_is_found_by_those_alone_who_may_read_it(viewer: Client, admin_user: User) -> None:
    hook(target_url=f"{URL}?k=42", name="depot")
    assert viewer.get(f"{HOOKS}?q=k=42").context["cl"].result_count == 0
    assert viewer.get(f"{HOOKS}?q=depot").context["cl"].result_count == 1
    viewer.force_login(admin_user)
    assert viewer.get(f"{HOOKS}?q=k=42").context["cl"].result_count == 1
