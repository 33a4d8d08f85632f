"""A value that is the key of an object whose key is a secret is that secret, wherever it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from rest_framework.authtoken.models import Token

import heliostat
from heliostat.events.event import Event, Phase
from heliostat.events.matching import registry
from heliostat.events.subscriptions import Subscription
from tests.example.models import Badge, Depot, Door, Note, Vehicle

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def published(settings: Any) -> Iterator[list[Event]]:
    """All that is published while a test runs."""
    settings.HELIOSTAT_SILENT = []
    events: list[Event] = []
    registry.add(
        "test",
        lambda: [
            Subscription(name="test", pattern=pattern, phase=Phase.IN_TRANSACTION, handler=events.append)
            for pattern in ("example.*", "authtoken.*", "sessions.*")
        ],
    )
    yield events
    registry.remove("test")


@pytest.fixture
def token(using: str) -> Token:
    with heliostat.quiet():
        user = User.objects.db_manager(using).create_user("ada")
        return Token.objects.using(using).create(user=user)


def the(events: list[Event]) -> Event:
    (event,) = events
    return event


def test_the_key_of_an_api_token_is_in_no_event(published: list[Event], using: str) -> None:
    with heliostat.quiet():
        user = User.objects.db_manager(using).create_user("ada")
    token = Token.objects.using(using).create(user=user)
    event = the(published)
    assert event.type == "authtoken.token.created"
    assert event.object_id is None
    assert event.snapshot["user"] == user.pk
    assert token.key not in str(event)
    published.clear()
    key = token.key
    token.delete()
    assert the(published).object_id is None
    assert key not in str(published)


def test_a_foreign_key_to_a_token_is_left_out(published: list[Event], token: Token, using: str) -> None:
    door = Door.objects.using(using).create(name="north", opener=token)
    assert the(published).snapshot == {"id": door.pk, "name": "north"}
    published.clear()
    door.opener = None
    door.name = "south"
    door.save()
    assert the(published).changes == {"name": ("north", "south")}


def test_an_object_whose_key_is_a_foreign_key_to_a_token_has_no_key_in_events(
    published: list[Event], token: Token, using: str
) -> None:
    Badge.objects.using(using).create(holder=token, colour="red")
    event = the(published)
    assert event.object_id is None
    assert event.snapshot == {"colour": "red"}


def test_a_generic_relation_to_a_token_is_left_out_and_one_to_a_depot_is_not(
    published: list[Event], token: Token, using: str
) -> None:
    types = ContentType.objects.db_manager(using)
    with heliostat.quiet():
        depot = Depot.objects.using(using).create(name="east")
    note = Note.objects.using(using).create(text="a", content_type=types.get_for_model(depot), object_id=str(depot.pk))
    assert the(published).snapshot["object_id"] == str(depot.pk)
    published.clear()
    note.content_type, note.object_id = types.get_for_model(token), token.key
    note.save()
    event = the(published)
    assert "object_id" not in event.snapshot
    assert event.changes.keys() == {"content_type"}
    assert token.key not in str(event)


def test_many_to_many_changes_of_tokens_are_published_without_their_keys(
    published: list[Event], token: Token, using: str
) -> None:
    with heliostat.quiet():
        door = Door.objects.using(using).create(name="north")
    door.visitors.add(token)
    assert the(published).changes == {"visitors": (None, None)}
    assert token.key not in str(published)


def test_the_key_of_a_session_is_in_no_event(published: list[Event], using: str) -> None:
    from django.contrib.sessions.models import Session
    from django.utils import timezone

    Session.objects.using(using).create(session_key="s3cr3t-session", session_data="x", expire_date=timezone.now())
    event = the(published)
    assert event.object_id is None
    assert event.snapshot.keys() == {"expire_date"}


def test_what_is_exposed_is_published(published: list[Event], token: Token, using: str, settings: Any) -> None:
    settings.HELIOSTAT_EXPOSE = {"authtoken.Token": ["key"]}
    Door.objects.using(using).create(name="north", opener=token)
    assert the(published).snapshot["opener"] == token.key
    published.clear()
    key = token.key
    token.delete()  # which clears the reference to it, too
    assert [(event.type, event.object_id == key) for event in published] == [
        ("example.door.updated", False),
        ("authtoken.token.deleted", True),
    ]


def test_secret_names_inside_json_are_left_out(published: list[Event], using: str, settings: Any) -> None:
    plan = {"stops": [{"name": "a", "otp_seed": "x"}], "apiKey": "x"}
    bus = Vehicle.objects.using(using).create(name="55", plan=plan)
    assert the(published).snapshot["plan"] == {"stops": [{"name": "a"}]}
    assert bus.plan == plan, "the object itself keeps what it has"
    settings.HELIOSTAT_EXPOSE = {"example.vehicle": ["plan.apiKey"]}
    bus.save()
    assert published[-1].snapshot["plan"] == {"stops": [{"name": "a"}], "apiKey": "x"}
    settings.HELIOSTAT_EXPOSE = {"example.vehicle": ["plan"]}
    bus.save()
    assert published[-1].snapshot["plan"] == plan
