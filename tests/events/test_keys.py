"""A key has one spelling, in events, in hooks and in the outbox."""

from __future__ import annotations

import datetime
import decimal
import json
import uuid
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError

from heliostat.events.keys import canonical_key, key_value
from heliostat.testing import captured_events, drain_outbox
from heliostat.testing.receiver import Receiver
from heliostat.webhooks.models import Hook
from tests.example.models import Conductor, Day, Driver, Fare, Parcel, Seat, Stop, Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
KEY = uuid.UUID("0198c3f2-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    ("model", "spellings", "key"),
    [
        (Vehicle, [7, "7", "007", 7.0, decimal.Decimal(7)], "7"),
        (Parcel, [KEY, str(KEY), KEY.hex, str(KEY).upper(), f"{{{KEY}}}"], str(KEY)),
        (Stop, ["A b", "A b"], "A b"),
        (Day, [datetime.date(2026, 11, 30), "2026-11-30"], "2026-11-30"),
        (Fare, [decimal.Decimal("1.5"), "1.50", 1.5, "1.5"], "1.50"),
        (Conductor, [7, "7"], "7"),
        (Seat, [(7, "A"), [7, "A"], '["7", "A"]', '[7,"A"]', ["07", "A"]], '["7", "A"]'),
    ],
)
def test_all_spellings_of_a_key_are_one(model: Any, spellings: list[Any], key: str) -> None:
    assert [canonical_key(model, spelling) for spelling in spellings] == [key] * len(spellings)
    assert canonical_key(model, key_value(model, key)) == key


@pytest.mark.parametrize(
    ("model", "keys"),
    [
        (
            Vehicle,
            ["x", "1.5", 1.5, " 7", "1_0", "٣", True, "", None, [], {}, "9" * 50, "١x", float("nan"), float("inf")],
        ),
        (Parcel, ["x", 7.5, "", None, "0198c3f2"]),
        (Stop, [None, "A" * 401, ["A"]]),
        (Day, ["30.11.2026", "2026-13-01", 7, None]),
        (Fare, ["much", None]),
        (Seat, [7, "7", "A", [7], [7, "A", 1], '["x", "A"]', '{"row": 7}', [None, "A"], "[7,", None, [7, "AB"]]),
    ],
)
def test_what_can_be_no_key_is_a_validation_error(model: Any, keys: list[Any]) -> None:
    for key in keys:
        with pytest.raises(ValidationError):
            canonical_key(model, key)


def test_events_of_objects_with_keys_of_any_type_name_the_one_spelling(using: str) -> None:
    driver = Driver.objects.using(using).create(name="Ada")
    objects: list[tuple[Any, str]] = [
        (Seat(row=7, letter="A"), '["7", "A"]'),
        (Day(date="2026-11-30"), "2026-11-30"),
        (Fare(amount="1.5"), "1.50"),
        (Conductor(driver=driver), str(driver.pk)),
        (Parcel(id=KEY.hex.upper(), weight=1), str(KEY)),
        (Vehicle(pk="70", name="x"), "70"),
    ]
    for one, key in objects:
        with captured_events() as events:
            one.save(using=using)
            one.save(using=using)
            type(one).objects.using(using).all().delete()
        assert [(event.action, event.object_id) for event in events] == [
            ("created", key), ("updated", key), ("deleted", key),
        ]  # fmt: skip


def test_hooks_on_objects_with_keys_of_any_type_are_sent_their_events_and_end(receiver: Receiver) -> None:
    driver = Driver.objects.create(name="Ada")
    seat = Seat.objects.create(row=7, letter="A")
    fare = Fare.objects.create(amount="1.5")
    conductor = Conductor.objects.create(driver=driver)
    for one in (seat, fare, conductor):
        Hook.objects.create(content_object=one, target=receiver.url)
    by_text = Hook.objects.create(
        model=ContentType.objects.get_for_model(Seat), object_id='["07","A"]', target=receiver.url, signals=["deleted"]
    )
    assert by_text.object_id == '["7", "A"]'
    seat.taken = True
    seat.save()
    for one in (seat, fare, conductor):
        one.delete()
    drain_outbox()
    sent = sorted((one.json["type"], json.dumps(one.json["object_id"])) for one in receiver.deliveries)
    assert [kind for kind, _ in sent] == [
        "example.conductor.deleted",
        "example.fare.deleted",
        "example.seat.deleted",
        "example.seat.deleted",
        "example.seat.updated",
    ]
    assert Hook.objects.filter(ended=True).count() == 4


def test_a_hook_on_a_key_that_no_object_can_have_is_refused(receiver: Receiver) -> None:
    for model, key in ((Seat, "7"), (Vehicle, "x"), (Parcel, "y"), (Vehicle, "9" * 60), (Vehicle, "1.5")):
        with pytest.raises(ValidationError) as error:
            Hook.objects.create(model=ContentType.objects.get_for_model(model), object_id=key, target=receiver.url)
        assert "object_id" in error.value.message_dict


def test_a_key_of_another_type_than_the_columns_is_published_as_the_column_holds_it(using: str) -> None:
    with captured_events() as events:
        Parcel(id=7, weight=1).save(using=using)
        Parcel.objects.using(using).bulk_create([Parcel(id=8, weight=1)])
        Parcel(id=7).delete(using=using)
        Parcel(id=8).delete(using=using)
    assert [(event.action, event.object_id) for event in events] == [
        (action, str(uuid.UUID(int=number))) for action in ("created", "deleted") for number in (7, 8)
    ]
