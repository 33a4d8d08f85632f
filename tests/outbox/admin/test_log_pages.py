from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from heliostat.outbox.models import Attempt, Callback, Event, Status
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db
CALLBACKS = "/admin/heliostat_outbox/callback/"


def staff(client: Client, *permissions: str) -> Client:
    user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return client


def callback(status: str = "error", *, body: str | None = None, subscriber: str = "hook:7", **values: Any) -> Callback:
    event = Event.objects.create(
        id=uuid.uuid4(), resource="example.vehicle", action="updated", object_id="1", body='{"name": "<b>O\'B"}',
        context="{}",
    )  # fmt: skip
    return Callback.objects.create(event=event, subscriber=subscriber, status=status, body=body, **values)


def attempt(callback: Callback, **values: Any) -> Attempt:
    facts = {"number": 1, "started_at": timezone.now(), "duration_ms": 12, "outcome": "retry", "status_code": 503}
    return Attempt.objects.create(callback=callback, **facts, **values)


def test_a_callback_is_shown_with_its_attempts_and_nothing_in_them_is_trusted(admin_client: Client) -> None:
    one = callback()
    attempt(one, error="503 <i>busy", response="<script>x</script>", response_headers="Server: <a>")
    page = admin_client.get(f"{CALLBACKS}{one.pk}/change/").content.decode()
    assert "503 &lt;i&gt;busy" in page
    assert "&lt;script&gt;x" in page
    assert "<script>x" not in page
    assert "Server: &lt;a&gt;" in page
    assert "{\n  &quot;name&quot;: &quot;&lt;b&gt;O&#x27;B&quot;\n}" in page


def test_hidden_characters_are_written_out_on_each_page_of_the_log(admin_client: Client) -> None:
    one = callback(body="a\u202eb\n", status_details="bad\u202e")
    Event.objects.update(object_id="7\u2066")
    attempt(one, response="\x9b2J")
    pages = (CALLBACKS, f"{CALLBACKS}{one.pk}/change/", "/admin/heliostat_outbox/event/")
    texts = [admin_client.get(page).content.decode() for page in pages]
    assert r"bad\u202e" in texts[0]
    assert r"a\u202eb" in texts[1]
    assert r"7\u2066" in texts[2]
    assert not set("".join(texts)) & {"\u202e", "\u2066", "\x9b"}


@pytest.mark.parametrize("body", ["no JSON", "[" * 5000, "1" * 5000, "\ufffd", ""])
def test_any_body_can_be_shown(admin_client: Client, body: str) -> None:
    one = callback(body=body)
    page = admin_client.get(f"{CALLBACKS}{one.pk}/change/")
    assert page.status_code == 200
    assert f">{body}</pre>" in page.content.decode()


@pytest.mark.parametrize("context", ["", "[]", '{"actor": 1}', '{"actor": {"username": "ada"}}'])
def test_an_event_that_another_program_wrote_can_be_shown(admin_client: Client, context: str) -> None:
    one = callback()
    Event.objects.update(context=context, object_id=None)
    page = admin_client.get(f"/admin/heliostat_outbox/event/{one.event_id}/change/").content.decode()
    assert "hook:7" in page
    assert ("done by ada" in page) == ("ada" in context)


def test_the_object_is_linked_for_those_who_may_see_it(client: Client, django_user_model: Any) -> None:
    ada = django_user_model.objects.create_user("ada")
    one = callback()
    Event.objects.update(resource="auth.user", object_id=str(ada.pk))
    link = f'href="/admin/auth/user/{ada.pk}/change/"'
    assert link in staff(client, "view_callback", "view_user").get(f"{CALLBACKS}{one.pk}/change/").content.decode()
    assert link not in staff(client, "view_callback").get(f"{CALLBACKS}{one.pk}/change/").content.decode()


def test_an_object_whose_key_is_no_address_is_linked_as_the_admin_does(admin_client: Client) -> None:
    one = callback()
    Event.objects.update(resource="auth.user", object_id="a_2Fb/c")
    page = admin_client.get(f"{CALLBACKS}{one.pk}/change/").content.decode()
    assert 'href="/admin/auth/user/a_5F2Fb_2Fc/change/"' in page


def test_nobody_adds_changes_or_deletes_what_is_in_the_log(admin_client: Client) -> None:
    one = callback()
    for way in ("add/", f"{one.pk}/delete/"):
        assert admin_client.get(CALLBACKS + way).status_code == 403
    assert admin_client.post(f"{CALLBACKS}{one.pk}/change/", {"status": "sent"}).status_code == 403
    admin_client.post(CALLBACKS, {"action": "delete_selected", "_selected_action": one.pk, "post": "yes"})
    one.refresh_from_db()
    assert one.status == "error"


def test_one_is_sent_again_by_a_button_on_its_page(client: Client) -> None:
    one = callback(attempts=12)
    staff(client, "view_callback", "change_callback")
    assert "Send again" in client.get(f"{CALLBACKS}{one.pk}/change/").content.decode()
    answer = client.post(f"{CALLBACKS}{one.pk}/send-again/", follow=True)
    assert "1 will be sent again" in answer.content.decode()
    assert "Try now" in answer.content.decode()
    one.refresh_from_db()
    assert (one.status, one.attempts) == ("waiting", 0)


def test_what_waits_for_its_next_attempt_is_tried_now(client: Client) -> None:
    later = timezone.now() + timezone.timedelta(hours=1)
    one = callback("waiting", attempts=3, due_at=later)
    staff(client, "view_callback", "change_callback").post(f"{CALLBACKS}{one.pk}/send-again/")
    one.refresh_from_db()
    assert one.due_at < later
    assert one.attempts == 3


def test_a_selection_is_sent_again(client: Client) -> None:
    chosen, other, busy = callback(), callback(), callback("sending")
    answer = staff(client, "view_callback", "change_callback").post(
        CALLBACKS, {"action": "send_again", "_selected_action": [chosen.pk, busy.pk]}, follow=True
    )
    assert "1 will be sent again" in answer.content.decode()
    assert [Callback.objects.get(pk=one.pk).status for one in (chosen, other, busy)] == ["waiting", "error", "sending"]


def test_a_tick_does_not_send_a_whole_log_again(client: Client) -> None:
    one = callback()
    answer = staff(client, "view_callback", "change_callback").post(
        CALLBACKS, {"action": "send_again", "_selected_action": one.pk, "select_across": "1"}, follow=True
    )
    assert "not sent again by a tick" in answer.content.decode()
    assert Callback.objects.get().status == "error"


def test_all_that_failed_since_a_time_is_counted_and_then_sent_again(client: Client) -> None:
    now = timezone.now()
    for subscriber in ("hook:7", "hook:7", "hook:8"):
        callback(subscriber=subscriber, updated_at=now)
    callback(updated_at=now - timezone.timedelta(days=3))
    staff(client, "view_callback", "change_callback")
    page = client.get(f"{CALLBACKS}send-failed/?subscriber=hook:7").content.decode()
    assert 'value="hook:7"' in page
    since = now - timezone.timedelta(hours=1)
    asked = {"since_0": f"{since:%Y-%m-%d}", "since_1": f"{since:%H:%M:%S}", "subscriber": "hook:7", "status": "error"}
    counted = client.post(f"{CALLBACKS}send-failed/", asked)
    assert "<strong>2</strong> would be sent again" in counted.content.decode()
    assert not Callback.objects.filter(status="waiting").exists()
    done = client.post(f"{CALLBACKS}send-failed/", {**asked, "confirmed": "x"}, follow=True)
    assert "2 will be sent again" in done.content.decode()
    assert Callback.objects.filter(status="waiting", subscriber="hook:7").count() == 2
    assert Callback.objects.filter(status="error").count() == 2


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("since_0", "x", "valid date"), ("since_1", "x", "valid time"), ("since_0", "", "is required"),
     ("subscriber", "\x00", "Null characters"), ("status", "sending", "valid choice")],
)  # fmt: skip
def test_what_is_wrong_in_the_question_is_said_beside_it(
    admin_client: Client, field: str, value: str, words: str
) -> None:
    one = callback()
    asked = {"since_0": "2020-01-01", "since_1": "00:00", "subscriber": "", "status": "error", field: value}
    answer = admin_client.post(f"{CALLBACKS}send-failed/", {**asked, "confirmed": "x"})
    assert words in answer.content.decode()
    one.refresh_from_db()
    assert one.status == Status.ERROR


def test_who_may_only_look_sends_nothing_again(client: Client) -> None:
    one = callback()
    staff(client, "view_callback")
    for way in ("", f"{one.pk}/change/"):
        page = client.get(CALLBACKS + way)
        assert page.status_code == 200
        assert "end again" not in page.content.decode()
    client.post(CALLBACKS, {"action": "send_again", "_selected_action": one.pk})
    assert client.post(f"{CALLBACKS}{one.pk}/send-again/").status_code == 403
    assert client.get(f"{CALLBACKS}send-failed/").status_code == 403
    assert client.post(f"{CALLBACKS}send-failed/", {"confirmed": "x"}).status_code == 403
    assert Callback.objects.get().status == "error"


def test_sending_again_wants_a_post_with_its_token(client: Client) -> None:
    one = callback()
    strict = Client(enforce_csrf_checks=True)
    staff(strict, "view_callback", "change_callback")
    assert strict.get(f"{CALLBACKS}{one.pk}/send-again/").status_code == 405
    assert strict.post(f"{CALLBACKS}{one.pk}/send-again/").status_code == 403


def test_a_callback_that_does_not_exist_is_not_found(admin_client: Client) -> None:
    assert admin_client.post(f"{CALLBACKS}999/send-again/").status_code == 404
    assert admin_client.post(f"{CALLBACKS}{10**30}/send-again/").status_code == 404


def test_an_id_that_nobody_has_is_no_error(admin_client: Client) -> None:
    callback()
    for way in (
        f"?q={uuid.uuid4()}", "?q=99999999999999999999999", "?q=%00", "?subscriber=%00", "?since=never", "?status=x",
        "?q=msg_x", "?q=²", "?p=99", "?q=" + "x" * 10_000, "?since=day&status=sending", "?o=1.2",
    ):  # fmt: skip
        assert admin_client.get(CALLBACKS + way, follow=True).status_code == 200, way


def test_a_long_log_is_searched_in_no_other_way_than_is_offered(admin_client: Client) -> None:
    for way in ("callback/?body__contains=x", "callback/?event__body__contains=x", "event/?resource=x"):
        assert admin_client.get(f"/admin/heliostat_outbox/{way}").status_code == 400


def test_the_events_of_an_object_are_found(admin_client: Client) -> None:
    bus = Vehicle.objects.create(name="55")
    one = callback()
    Event.objects.update(object_id=f"bus {bus.pk}")
    page = admin_client.get("/admin/heliostat_outbox/event/", {"q": f"bus {bus.pk}"})
    assert str(one.event_id) in page.content.decode()
