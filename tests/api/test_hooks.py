"""Hooks over HTTP: made, read, changed, looked after, deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework.test import APIClient

from heliostat.api.hooks import NewHookSerializer
from heliostat.outbox import resending
from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.api.conftest import URL, a_hook
from tests.example.models import Vehicle
from tests.outbox.callbacks import callbacks_for

pytestmark = pytest.mark.django_db


@pytest.mark.django_db(transaction=True)
def test_who_subscribes_gets_the_secret_once_and_is_notified(as_ada: APIClient, ada: User, receiver: Receiver) -> None:
    made = a_hook(as_ada, target_url=receiver.url, signals=["created"], headers={"X-Site": "north"}, name="mine")
    receiver.secrets = [made["secret"]]
    Vehicle.objects.create(name="55")
    drain_outbox()
    (delivery,) = receiver.deliveries
    assert delivery.verified
    assert delivery.headers["X-Site"] == "north"
    shown = as_ada.get(f"/api/hooks/{made['id']}/").json()
    assert {"secret", *shown} == made.keys()
    assert "secret" not in shown
    assert (shown["user"], shown["model"], shown["signals"]) == (ada.pk, "example.vehicle", ["created"])
    assert as_ada.get("/api/hooks/").json()["results"] == [shown]


def test_a_hook_is_changed_in_part_in_whole_and_deleted(as_ada: APIClient) -> None:
    made = a_hook(as_ada, name="old")
    address = f"/api/hooks/{made['id']}/"
    assert as_ada.patch(address, {"name": "new", "ordered": True}).json()["name"] == "new"
    whole = as_ada.get(address).json()
    changed = as_ada.put(address, {**whole, "signals": ["deleted"]})
    assert changed.status_code == 200, changed.json()
    assert changed.json()["signals"] == ["deleted"]
    assert as_ada.delete(address).status_code == 204
    assert as_ada.get(address).status_code == 404
    assert not Hook.objects.exists()


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"target_url": "ftp://x"}, "target_url", "http"),
        ({"target_url": "http://169.254.169.254/latest"}, "target_url", "must not be called"),
        ({"target_url": "http://0x0a.1/"}, "target_url", "must not be called"),
        ({"headers": {"bad name": "1"}}, "headers", "no name of a header"),
        ({"headers": {"a": "x\r\nEvil: 1"}}, "headers", "cannot be sent"),
        ({"headers": "a: 1"}, "headers", "dictionary"),
        ({"http_method": "HEAD"}, "http_method", "not a valid choice"),
        ({"content_type": "a\nb"}, "content_type", ""),
        ({"payload_template": '{"a": {{instance.nme}}}'}, "payload_template", "Did you mean name"),
        ({"payload_template": "{"}, "payload_template", "line 1"),
        ({"signals": "created"}, "signals", "list"),
        ({"signals": ["no.signals.such"]}, "signals", "no signal that hooks are offered"),
        ({"model": 5}, "model", "text"),
        ({"model": None, "signals": []}, "model", "needs a model"),
        ({"max_per_second": "nan"}, "max_per_second", "valid number"),
        ({"max_per_second": 0}, "max_per_second", "0.001"),
        ({"max_concurrent": 0}, "max_concurrent", "1"),
        ({"max_concurrent": 10**18}, "max_concurrent", "less than or equal to 32767"),
        ({"expires_at": "soon"}, "expires_at", "format"),
        ({"filters": {"a": "\x00"}}, "filters", "NUL"),
        ({"target": URL}, "target", "no such field"),
        ({"enabled": False}, "enabled", "leave it out"),
        ({"secret": "whsec_MfKQ"}, "secret", "no such field"),
        ({"user": 1}, "user", "leave it out"),
        ({"serializer_class": "tests.example.serializers.VehicleSerializer"}, "serializer_class", "leave it out"),
    ],
)
def test_what_cannot_work_is_refused_under_the_name_of_its_field(
    as_ada: APIClient, fields: dict[str, Any], field: str, words: str
) -> None:
    answer = as_ada.post("/api/hooks/", {"model": "example.vehicle", "target_url": URL, **fields})
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert words in str(answer.json()[field])
    assert not Hook.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"[" * 5000,
        b'{"filters": ' + b'{"not": ' * 500 + b"{}" + b"}" * 501,
        b'{"name": "\\ud800"}',
        b'{"name": NaN}',
        b'"' + b"x" * 1_100_000 + b'"',
    ],
)
def test_a_request_that_is_no_json_object_is_refused(as_ada: APIClient, body: bytes) -> None:
    assert as_ada.generic("POST", "/api/hooks/", body, content_type="application/json").status_code == 400


def test_a_form_is_no_json(as_ada: APIClient) -> None:
    assert as_ada.post("/api/hooks/", {"target_url": URL}, format="multipart").status_code == 415


def test_values_of_headers_that_look_secret_are_masked_and_kept_when_the_mask_comes_back(as_ada: APIClient) -> None:
    made = a_hook(as_ada, headers={"Authorization": "Bearer 42", "api-key": "12345", "X-Site": "north"})
    address = f"/api/hooks/{made['id']}/"
    shown = as_ada.get(address).json()
    assert shown["headers"] == {"Authorization": "********", "api-key": "********", "X-Site": "north"}
    assert made["headers"] == shown["headers"]
    as_ada.put(address, {**shown, "headers": {**shown["headers"], "X-Site": "south", "api-key": "67890"}})
    stored = Hook.objects.get().headers
    assert stored == '{"Authorization": "Bearer 42", "api-key": "67890", "X-Site": "south"}'
    refused = as_ada.patch(address, {"headers": {"Cookie": "********"}})
    assert refused.status_code == 400
    assert "only its mask" in refused.json()["headers"][0]


def test_a_secret_header_does_not_follow_a_hook_to_another_site_unseen(as_ada: APIClient, as_staff: APIClient) -> None:
    made = a_hook(as_ada, headers={"Authorization": "Bearer 42"})
    address = f"/api/hooks/{made['id']}/"
    for fields in ({}, {"headers": {"authorization": "********"}}):
        refused = as_staff.patch(address, {"target_url": "https://elsewhere.example.com/", **fields})
        assert refused.status_code == 400, fields
        assert "write the value" in refused.json()["headers"][0]
    assert as_staff.patch(address, {"target_url": f"{URL}/deeper"}).status_code == 200
    changed = {"target_url": "https://elsewhere.example.com/", "headers": {"Authorization": "Bearer 43"}}
    assert as_ada.patch(address, changed).status_code == 200
    assert as_ada.patch(address, {"target_url": URL, "headers": {}}).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_ping_is_answered_with_its_delivery(as_ada: APIClient, receiver: Receiver) -> None:
    made = a_hook(as_ada, target_url=receiver.url)
    answer = as_ada.post(f"/api/hooks/{made['id']}/ping/")
    assert answer.status_code == 202
    assert answer.json()["event_type"] == "heliostat.ping"
    drain_outbox()
    assert receiver.deliveries[0].id == answer.json()["message_id"]
    as_ada.post(f"/api/hooks/{made['id']}/disable/")
    refused = as_ada.post(f"/api/hooks/{made['id']}/ping/")
    assert refused.status_code == 409
    assert "disabled" in refused.json()["detail"]


def test_a_hook_is_paused_resumed_disabled_and_enabled(as_ada: APIClient) -> None:
    address = f"/api/hooks/{a_hook(as_ada)['id']}/"
    for act, field, value in (
        ("pause", "paused", True),
        ("resume", "paused", False),
        ("disable", "enabled", False),
        ("enable", "enabled", True),
    ):
        answer = as_ada.post(f"{address}{act}/")
        assert answer.status_code == 200
        assert answer.json()[field] is value
        assert as_ada.get(address).json()[field] is value


def test_a_new_secret_is_given_once_with_the_end_of_the_old_one(as_ada: APIClient) -> None:
    made = a_hook(as_ada)
    address = f"/api/hooks/{made['id']}/rotate-secret/"
    answer = as_ada.post(address).json()
    assert answer["secret"] not in ("", made["secret"])
    assert answer["secret"] == Hook.objects.get().reveal_secret()
    assert answer["previous_secret_until"] > (timezone.now() + timedelta(hours=23)).isoformat()
    assert as_ada.post(address, {"overlap_hours": 0}).json()["previous_secret_until"] is None
    assert as_ada.post(address, {"overlap_hours": "nan"}).status_code == 400


def test_with_a_key_pair_the_public_key_is_shown_and_the_private_one_never(as_ada: APIClient) -> None:
    made = a_hook(as_ada, signature="v1a")
    address = f"/api/hooks/{made['id']}/"
    assert made["secret"] is None
    assert made["public_key"].startswith("whpk_")
    assert as_ada.get(address).json()["public_key"] == made["public_key"]
    turned = as_ada.post(f"{address}rotate-secret/").json()
    assert turned["secret"] is None
    assert turned["public_key"] not in (None, made["public_key"])
    assert as_ada.patch(address, {"signature": "v1"}).status_code == 400
    shared = as_ada.post(f"{address}rotate-secret/", {"signature": "v1"}).json()
    assert shared["secret"].startswith("whsec_")
    assert (shared["signature"], shared["public_key"]) == ("v1", None)


def test_hooks_are_listed_even_where_a_key_is_lost(as_ada: APIClient, settings: Any) -> None:
    a_hook(as_ada, signature="v1a")
    settings.SECRET_KEY = "another one"
    (shown,) = as_ada.get("/api/hooks/").json()["results"]
    assert shown["public_key"] is None


def test_all_that_failed_since_is_counted_and_then_sent_again(as_ada: APIClient) -> None:
    made = a_hook(as_ada)
    for number in range(3):
        Vehicle.objects.create(name=str(number))
    Callback.objects.update(status="error")
    old = Callback.objects.earliest("id")
    Callback.objects.filter(pk=old.pk).update(updated_at=timezone.now() - timedelta(days=3))
    since = {"since": (timezone.now() - timedelta(days=1)).isoformat()}
    address = f"/api/hooks/{made['id']}/resend/"
    preview = as_ada.post(f"{address}?preview=true", since)
    assert (preview.status_code, preview.json()) == (200, {"count": 2})
    done = as_ada.post(address, since)
    assert (done.status_code, done.json()) == (202, {"count": 2, "remaining": 0})
    assert Callback.objects.filter(status="waiting").count() == 2
    assert as_ada.post(address, {**since, "ended_as": "waiting"}).status_code == 400
    assert as_ada.post(address).status_code == 400


def test_one_request_sends_so_many_again_and_says_how_many_are_left(as_ada: APIClient, monkeypatch: Any) -> None:
    monkeypatch.setattr(resending, "LIMIT", 2)
    made = a_hook(as_ada)
    now = timezone.now()
    for age in (1, 3, 2):
        callbacks_for("default", f"hook:{made['id']}", status="error", updated_at=now - timedelta(hours=age))
    since = {"since": (now - timedelta(days=1)).isoformat()}
    first, second = (as_ada.post(f"/api/hooks/{made['id']}/resend/", since).json() for _ in range(2))
    assert (first, second) == ({"count": 2, "remaining": 1}, {"count": 1, "remaining": 0})


def test_staff_say_whose_a_hook_is(as_staff: APIClient, staff: User, ada: User) -> None:
    assert a_hook(as_staff)["user"] == staff.pk
    assert a_hook(as_staff, user=ada.pk)["user"] == ada.pk
    sites = a_hook(as_staff, user=None, model=None, signals=["*.*"])
    assert sites["user"] is None
    moved = as_staff.patch(f"/api/hooks/{sites['id']}/", {"user": ada.pk})
    assert moved.json()["user"] == ada.pk


def test_changing_a_hook_leaves_alone_what_a_worker_counts_meanwhile(as_ada: APIClient, monkeypatch: Any) -> None:
    made = a_hook(as_ada)
    then = timezone.now()
    save = Hook.save

    def counted_in_between(self: Hook, *args: Any, **kwargs: Any) -> None:
        Hook.objects.update(failing_since=then)
        save(self, *args, **kwargs)

    monkeypatch.setattr(Hook, "save", counted_in_between)
    as_ada.patch(f"/api/hooks/{made['id']}/", {"name": "new"})
    row = Hook.objects.get()
    assert (row.name, row.failing_since) == ("new", then)


def test_pages_of_hooks_are_cut_by_key(as_ada: APIClient) -> None:
    ids = [a_hook(as_ada)["id"] for _ in range(3)]
    first = as_ada.get("/api/hooks/?page_size=2").json()
    assert [one["id"] for one in first["results"]] == ids[:0:-1]
    second = as_ada.get(first["next"]).json()
    assert [one["id"] for one in second["results"]] == ids[:1]
    for cursor in ("cD1hYmM%3D", "%C3%B4", "x"):  # the first is p=abc
        assert as_ada.get(f"/api/hooks/?cursor={cursor}").status_code == 400


def test_answers_are_kept_by_nobody_on_the_way(as_ada: APIClient) -> None:
    assert as_ada.get("/api/hooks/").headers["Cache-Control"] == "private, no-store"


def test_every_field_of_a_hook_that_people_set_is_in_the_api() -> None:
    notified = set(NewHookSerializer.Meta.fields)
    of_the_model = {field.name for field in Hook._meta.fields if field.editable}
    assert of_the_model <= notified
