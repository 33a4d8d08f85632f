"""Hooks on one object, whatever its key is; they end with it, after its deletion was notified."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.authtoken.models import Token

import heliostat
from heliostat.events.matching import registry
from heliostat.outbox.models import Callback, Event
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.exceptions import InvalidObjectError
from heliostat.webhooks.models import Hook
from tests.example.models import Badge, Depot, Parcel, Stop, Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

URL = "https://receiver.example.com/"


def notified(using: str = "default") -> list[tuple[str, str | None]]:
    rows = Callback.objects.using(using).order_by("pk")
    found = [(row.event.action, row.event.object_id) for row in rows.select_related("event")]
    rows.delete()
    return found


def test_a_hook_is_notified_of_its_object_alone_whatever_its_key(using: str) -> None:
    for model, key, other, fields in (
        (Vehicle, 7, 8, {"name": "55"}),
        (Parcel, uuid.UUID("0b1f6bd2-5a2a-4d5c-8f5e-0f4cf6b3a0aa"), uuid.uuid4(), {"weight": 1}),
        (Stop, "north/platform:2 .é%", "north", {}),
        (Stop, "7", "8", {}),
    ):
        one, another = (model._base_manager.using(using).create(pk=pk, **fields) for pk in (key, other))
        hook = create_hook(content_object=one, target_url=URL)
        assert Hook.objects.get(pk=hook.pk).object_id == hook.object_id == str(key)
        for each in (another, one):
            each.save()
            heliostat.emit("looked_at", each)
            each.delete()
        assert notified(using) == [("updated", str(key)), ("looked_at", str(key)), ("deleted", str(key))]
        assert Hook.objects.get(pk=hook.pk).ended


def test_the_object_of_a_hook_is_found_by_its_key() -> None:
    for one in (Parcel.objects.create(weight=1), Stop.objects.create(code="a/b:c"), Vehicle.objects.create(name="1")):
        hook = create_hook(content_object=one, target_url=URL)
        assert Hook.objects.get(pk=hook.pk).content_object == one


@pytest.mark.parametrize(
    ("model", "written", "key"),
    [
        (Vehicle, "007", "7"),
        (Vehicle, 0, "0"),
        (Parcel, "0B1F6BD25A2A4D5C8F5E0F4CF6B3A0AA", "0b1f6bd2-5a2a-4d5c-8f5e-0f4cf6b3a0aa"),
        (Stop, "007", "007"),
    ],
)
def test_a_key_is_kept_as_events_write_it(model: type[models.Model], written: Any, key: str) -> None:
    assert create_hook(model=model, object_id=written, target_url=URL).object_id == key


def test_a_key_is_written_as_its_model_writes_keys_when_the_model_alone_is_changed() -> None:
    hook = create_hook(model=Stop, object_id="007", target_url=URL)
    hook.model = ContentType.objects.get_for_model(Vehicle)
    hook.full_clean()
    hook.save(update_fields=["model"])
    assert Hook.objects.get().object_id == "7"


def test_a_hook_on_an_object_whose_key_is_a_secret_is_refused() -> None:
    token = Token.objects.create(user=User.objects.create_user("ada"), key="s3cr3t")
    for one in (token, Badge.objects.create(holder=token)):
        with pytest.raises(InvalidObjectError, match=r"key of .* is a secret") as caught:
            create_hook(content_object=one, target_url=URL)
        assert "object_id" in caught.value.message_dict
        assert "s3cr3t" not in str(caught.value)
    assert not Hook.objects.exists()
    assert create_hook(model=Badge, target_url=URL).object_id == "", "on all of them"


def test_a_key_that_no_object_can_have_is_refused() -> None:
    with pytest.raises(InvalidObjectError, match=r"is not a key of example\.Parcel") as caught:
        create_hook(model=Parcel, object_id="7", target_url=URL)
    assert list(caught.value.message_dict) == ["object_id"]
    with pytest.raises(InvalidObjectError, match="needs its model"):
        create_hook(target_url=URL, signals=["example.vehicle.created"], object_id="7")


def test_the_body_names_the_key(receiver: Receiver) -> None:
    stop = Stop.objects.create(code="north/platform:2")
    create_hook(content_object=stop, target_url=receiver.url)
    stop.delete()
    assert drain_outbox() == {"sent": 1}
    (delivery,) = receiver.deliveries
    assert (delivery.json["object_id"], delivery.json["event_type"]) == ("north/platform:2", "deleted")


def test_hooks_end_with_their_objects_however_these_are_deleted(using: str) -> None:
    for delete in (lambda depot: Stop.objects.using(using).filter(depot=depot).delete(), Depot.delete):
        depot = Depot.objects.using(using).create(name="North")
        for number in range(3):
            stop = Stop.objects.using(using).create(code=f"{number}/x", depot=depot)
            create_hook(content_object=stop, target_url=URL)
        delete(depot)
        assert sorted(notified(using)) == [("deleted", f"{number}/x") for number in range(3)]
        assert not Hook.objects.filter(ended=False).exists()
    Stop.objects.using(using).create(code="0/x")
    assert notified(using) == []


@pytest.mark.parametrize("silenced", [{"enabled": False}, {"expires_at": timezone.now() - timedelta(days=1)}])
def test_a_hook_that_is_notified_nothing_ends_with_its_object_too(silenced: dict[str, Any]) -> None:
    """Enabled again, it would notify of whatever has the same key by then."""
    bus = Vehicle.objects.create(pk=55, name="55")
    hook = create_hook(content_object=bus, target_url=URL)
    Hook.objects.filter(pk=hook.pk).update(**silenced)
    bus.delete()
    Hook.objects.filter(pk=hook.pk).update(enabled=True, expires_at=None)
    Vehicle.objects.create(pk=55, name="another")
    assert Hook.objects.get(pk=hook.pk).ended
    assert notified() == []


def test_a_deletion_that_is_undone_ends_no_hook(using: str) -> None:
    stop = Stop.objects.using(using).create(code="a")
    create_hook(content_object=stop, target_url=URL)
    with transaction.atomic(using=using):
        stop.delete()
        transaction.set_rollback(True, using=using)
    assert notified(using) == []
    Stop.objects.using(using).get(code="a").save()
    assert notified(using) == [("updated", "a")]


def test_a_deletion_in_a_savepoint_that_is_undone_ends_no_hook(using: str) -> None:
    one, other = (Stop.objects.using(using).create(code=code) for code in "ab")
    hooks = [create_hook(content_object=stop, target_url=URL) for stop in (one, other)]
    with transaction.atomic(using=using):
        with transaction.atomic(using=using):
            one.delete()
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=using):
            other.delete()
            1 / 0
    assert [Hook.objects.get(pk=hook.pk).ended for hook in hooks] == [True, False]


def test_a_deletion_that_takes_many_with_it_looks_at_the_hooks_once(using: str) -> None:
    model = ContentType.objects.get_for_model(Stop)
    Stop.objects.using(using).bulk_create([Stop(code=str(number)) for number in range(100)])
    Hook.objects.bulk_create([Hook(model=model, object_id=str(number), target_url=URL) for number in range(100)])
    registry.matcher
    with CaptureQueriesContext(connection) as queries:
        Stop.objects.using(using).all().delete()
    read = f'FROM "{Hook._meta.db_table}"'
    assert sum(query["sql"].startswith("SELECT") and read in query["sql"] for query in queries) == 1
    assert Hook.objects.filter(ended=True).count() == 100


def test_a_key_that_is_longer_than_our_column_breaks_no_save(using: str) -> None:
    create_hook(model=Stop, target_url=URL, ordered=True)
    stop = Stop.objects.using(using).create(code="é" * 400)
    (event,) = Event.objects.using(using).all()
    assert event.object_id == stop.code[:255]
    assert json.loads(event.body)["object_id"] == stop.code
    with pytest.raises(InvalidObjectError, match="at most 255 characters"):
        create_hook(content_object=stop, target_url=URL)
    with pytest.raises(InvalidObjectError, match="NUL"):
        create_hook(model=Stop, object_id="a\x00", target_url=URL)
