"""Webhooks of users carry only what they may view at the moment of the change."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.core import mail
from guardian.shortcuts import assign_perm

from heliostat import batch
from heliostat.observations.models import ObservationRecord
from heliostat.outbox.models import Callback
from heliostat.targets.models import Target
from heliostat.webhooks.models import Hook
from heliostat.webhooks.owners import why_stopped
from heliostat.webhooks.permissions import forget_answers
from tests.api.conftest import client_of

pytestmark = pytest.mark.django_db

URL = "https://receiver.example.com/"


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


def test_a_backend_that_fails_sends_nothing(owner: User, stranger: User, settings: Any) -> None:
    hook = subscribe(stranger)
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Failing"]
    Target.objects.create(name="M42", owner=owner, visibility="public")
    assert sent(hook) == []
    assert Target.objects.count() == 1


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
