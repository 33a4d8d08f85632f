"""Webhooks of users carry only what they may view at the moment of the change."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from django.utils import timezone
from guardian.shortcuts import assign_perm

from heliostat import batch
from heliostat.observations.models import ObservationRecord
from heliostat.outbox.models import Callback
from heliostat.targets.models import Target
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from heliostat.webhooks.owners import why_stopped
from heliostat.webhooks.permissions import forget_answers
from tests.api.conftest import client_of

pytestmark = pytest.mark.django_db

URL = "https://receiver.example.com/"
LONG_AGO = "2020-01-01T00:00:00Z"


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    forget_answers()


def subscribe(user: User, model: str = "targets.target", **fields: Any) -> Hook:
    answer = client_of(user).post("/api/hooks/", {"model": model, "target_url": URL, **fields})
    assert answer.status_code == 201, answer.json()
    return Hook.objects.get(pk=answer.json()["id"])


def sent(hook: Hook) -> list[str]:
    rows = Callback.objects.filter(subscriber=hook.subscriber).order_by("pk").select_related("event")
    return [row.event.action for row in rows]


def test_each_user_is_sent_what_they_may_view(owner: User, member: User, stranger: User) -> None:
    hooks = [subscribe(user) for user in (owner, member, stranger)]
    assert [why_stopped(hook) for hook in hooks] == ["", "", ""]
    target = Target.objects.create(name="M42", owner=owner)
    target.save()
    Target.objects.create(name="M31", owner=owner, visibility="private")
    target.delete()
    assert [sent(hook) for hook in hooks] == [
        ["created", "updated", "created", "deleted"],
        ["created", "updated", "deleted"],
        [],
    ]


def test_a_stranger_is_sent_public_targets_and_those_with_a_right(owner: User, stranger: User) -> None:
    hook = subscribe(stranger)
    Target.objects.create(name="M42", owner=owner, visibility="public")
    target = Target.objects.create(name="M31", owner=owner)
    assert sent(hook) == ["created"]
    assign_perm("view_target", stranger, target)
    target.save()
    assert sent(hook) == ["created", "updated"]


def test_targets_in_bulk_are_sent_to_their_group_alone(owner: User, member: User, stranger: User) -> None:
    hooks = [subscribe(user) for user in (member, stranger)]
    Target.objects.bulk_create([Target(name="M42", owner=owner), Target(name="M31", owner=stranger)])
    Target.objects.filter(owner=owner).update(ra=1)
    assert [sent(hook) for hook in hooks] == [["created", "updated"], ["created"]]


def test_of_a_batch_counts_who_may_view_it_at_the_end(owner: User, team: Group, member: User, stranger: User) -> None:
    hooks = [subscribe(user) for user in (member, stranger)]
    with batch():
        target = Target.objects.create(name="M42", owner=owner)
        target.groups.set(stranger.groups.all())
    assert [sent(hook)[:1] for hook in hooks] == [[], ["created"]]


def test_observations_follow_and_a_template_shows_nothing_of_a_hidden_target(owner: User, stranger: User) -> None:
    hook = subscribe(stranger, "observations.observationrecord")
    private = Target.objects.create(name="M42", owner=owner)
    public = Target.objects.create(name="M31", owner=owner, visibility="public")
    for target in (private, public):
        ObservationRecord.objects.create(target=target, user=owner, facility="F", observation_id="1")
    assert sent(hook) == ["created"]


def test_a_hook_on_one_object_is_refused_where_the_object_may_not_be_viewed(owner: User, stranger: User) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    fields = {"model": "targets.target", "object_id": str(target.pk), "target_url": URL}
    assert client_of(stranger).post("/api/hooks/", fields).status_code == 400
    assert client_of(owner).post("/api/hooks/", fields).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_a_backend_that_fails_is_asked_again_before_anything_is_sent(
    owner: User, stranger: User, receiver: Receiver, settings: Any
) -> None:
    hook = subscribe(stranger)
    Hook.objects.filter(pk=hook.pk).update(target_url=receiver.url)
    backends, settings.AUTHENTICATION_BACKENDS = settings.AUTHENTICATION_BACKENDS, [f"{__name__}.Failing"]
    Target.objects.create(name="M42", owner=owner, visibility="public")
    Target.objects.create(name="M31", owner=owner, visibility="private")
    drain_outbox()
    assert receiver.deliveries == []
    assert {row.status for row in Callback.objects.all()} == {"waiting"}
    settings.AUTHENTICATION_BACKENDS = backends
    forget_answers()
    Callback.objects.update(due_at=timezone.now())
    drain_outbox()
    assert [json.loads(one.body)["object_serialization"]["name"] for one in receiver.deliveries] == ["M42"]
    assert {row.event.object_id: row.status for row in Callback.objects.all()} == {
        str(Target.objects.get(name="M42").pk): "sent",
        str(Target.objects.get(name="M31").pk): "cancelled",
    }


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_of_a_target_that_was_hidden_meanwhile(owner: User, member: User, receiver: Receiver) -> None:
    hook = subscribe(member)
    Hook.objects.filter(pk=hook.pk).update(target_url=receiver.url)
    hidden = Target.objects.create(name="M31", owner=owner)
    Target.objects.create(name="M42", owner=owner)
    Target.objects.filter(pk=hidden.pk).update(visibility="private")
    drain_outbox()
    assert [json.loads(one.body)["object_serialization"]["name"] for one in receiver.deliveries] == ["M42"]
    (cancelled,) = Callback.objects.filter(status="cancelled")
    assert cancelled.event.object_id == str(hidden.pk)
    assert "may not view this object any more" in cancelled.status_details


@pytest.mark.django_db(transaction=True)
def test_what_is_deleted_is_still_sent_to_those_who_could_view_it(
    owner: User, member: User, stranger: User, receiver: Receiver
) -> None:
    for user in (member, stranger):
        Hook.objects.filter(pk=subscribe(user).pk).update(target_url=f"{receiver.url}{user.username}")
    Target.objects.create(name="M31", owner=owner).delete()
    drain_outbox()
    assert sorted((one.path, json.loads(one.body)["event_type"]) for one in receiver.deliveries) == [
        (f"/{member.username}", "created"),
        (f"/{member.username}", "deleted"),
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["save", "update", "groups"])
def test_the_change_that_hides_a_target_is_not_sent_to_users_who_may_not_view_it_then(
    owner: User, member: User, how: str
) -> None:
    hook = subscribe(member)
    target = Target.objects.create(name="M31", owner=owner)
    if how == "save":
        target.visibility, target.name = "private", "secret"
        target.save()
    elif how == "update":
        Target.objects.filter(pk=target.pk).update(visibility="private", name="secret")
    else:
        target.groups.clear()
        target.name = "secret"
        target.save()
    assert "secret" not in str([row.event.body for row in Callback.objects.filter(subscriber=hook.subscriber)])


@pytest.mark.django_db(transaction=True)
def test_the_row_decides_and_not_what_was_never_saved(owner: User, stranger: User) -> None:
    hook = subscribe(stranger)
    target = Target.objects.create(name="M31", owner=owner, visibility="private")
    target.visibility = "public"
    target.ra = 5
    target.save(update_fields=["ra"])
    assert sent(hook) == []


@pytest.mark.django_db(transaction=True)
def test_a_new_owner_reads_and_resends_nothing_of_what_only_the_old_one_may_view(owner: User, stranger: User) -> None:
    hook = subscribe(owner)
    Target.objects.create(name="SECRET", owner=owner, visibility="private")
    callback = Callback.objects.get(subscriber=hook.subscriber)
    root = client_of(User.objects.create_superuser("root"))
    assert root.patch(f"/api/hooks/{hook.pk}/", {"user": stranger.pk}).status_code == 200
    Callback.objects.update(status="error")
    forget_answers()
    client = client_of(stranger)
    assert "SECRET" not in client.get(f"/api/deliveries/{callback.pk}/").text
    assert client.post(f"/api/deliveries/{callback.pk}/resend/").status_code == 403
    assert client.post(f"/api/hooks/{hook.pk}/resend/", {"since": LONG_AGO}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_an_owner_reads_and_resends_what_they_may_view(owner: User, member: User) -> None:
    hook = subscribe(member)
    target = Target.objects.create(name="M31", owner=owner)
    callback = Callback.objects.get(subscriber=hook.subscriber)
    Callback.objects.update(status="error")
    client = client_of(member)
    assert "M31" in client.get(f"/api/deliveries/{callback.pk}/").text
    assert client.post(f"/api/hooks/{hook.pk}/resend/", {"since": LONG_AGO}).status_code == 202
    Callback.objects.update(status="cancelled")
    Target.objects.filter(pk=target.pk).update(visibility="private")
    forget_answers()
    assert "M31" not in client.get(f"/api/deliveries/{callback.pk}/").text
    assert client.post(f"/api/deliveries/{callback.pk}/resend/").status_code == 403


class Failing:
    def authenticate(self, request: Any, **_: Any) -> None:
        return None

    def has_perm(self, user: Any, perm: str, obj: Any = None) -> bool:
        raise ValueError("no directory")


@pytest.mark.django_db(transaction=True)
def test_an_e_mail_to_a_group_goes_to_those_who_may_view_the_target(
    owner: User, member: User, stranger: User, settings: Any
) -> None:
    section = {"use": "heliostat.listeners.email", "resources": ["target"], "subject": "{name}", "when": "after_commit"}
    settings.EVENT_LISTENERS = {"m": {**section, "recipients": "site@example.com", "group": "observers"}}
    observers = Group.objects.create(name="observers")
    for user in (owner, member, stranger):
        user.email = f"{user.username}@example.com"
        user.save()
        observers.user_set.add(user)
    Target.objects.create(name="M31", owner=owner, visibility="private")
    Target.objects.create(name="M42", owner=owner, visibility="public")
    assert [(one.subject, set(one.to)) for one in mail.outbox] == [
        ("M31", {"site@example.com", owner.email}),
        ("M42", {"site@example.com", owner.email, member.email, stranger.email}),
    ]
