"""The main job of webhooks: each subscriber is notified, on each database."""

from __future__ import annotations

import json

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from standardwebhooks import Webhook

from heliostat import batch, emit
from heliostat.outbox.models import Attempt, Callback, Event
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def hook_on_vehicles(receiver: Receiver, **options: object) -> Hook:
    model = ContentType.objects.get_for_model(Vehicle)
    return Hook.objects.create(model=model, target=receiver.url, **options)


def test_a_saved_object_arrives_signed_with_what_changed(using: str, receiver: Receiver) -> None:
    hook = hook_on_vehicles(receiver)
    bus = Vehicle.objects.using(using).create(name="55", speed=10)
    bus.speed = 12.5
    bus.save()

    assert drain_outbox(using) == {"sent": 2}

    created, updated = sorted(receiver.deliveries, key=lambda delivery: delivery.json["timestamp"])
    verified = Webhook(hook.reveal_secret()).verify(updated.body, dict(updated.headers))
    assert verified["type"] == "example.vehicle.updated"
    assert verified["object_type"] == "example.vehicle"
    assert verified["object_id"] == bus.pk
    assert verified["changes"] == {"speed": [10.0, 12.5]}
    assert verified["object_serialization"]["name"] == "55"
    assert "api_token" not in verified["object_serialization"]
    assert created.json["event_type"] == "created"
    assert updated.headers["content-type"] == "application/json"


def test_what_is_rolled_back_is_sent_to_nobody(using: str, receiver: Receiver) -> None:
    hook_on_vehicles(receiver)
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=using):
        Vehicle.objects.using(using).create(name="ghost")
        1 / 0
    assert not Event.objects.using(using).exists()
    assert not Callback.objects.using(using).exists()


def test_a_deletion_is_published_with_the_last_state(using: str, receiver: Receiver) -> None:
    bus = Vehicle.objects.using(using).create(name="55")
    hook_on_vehicles(receiver, signals=["django.db.models.signals.post_delete"])
    key = bus.pk
    bus.delete()
    drain_outbox(using)
    (delivery,) = receiver.deliveries
    assert delivery.json["type"] == "example.vehicle.deleted"
    assert delivery.json["object_id"] == key
    assert delivery.json["object_serialization"]["name"] == "55"


def test_a_hook_on_one_object_is_notified_of_that_object_alone_and_ends_with_it(receiver: Receiver) -> None:
    bus, other = Vehicle.objects.create(name="55"), Vehicle.objects.create(name="56")
    hook = Hook.objects.create(content_object=bus, target=receiver.url)
    other.save()
    bus.save()
    other.delete()
    bus.delete()
    drain_outbox()
    assert sorted(delivery.json["event_type"] for delivery in receiver.deliveries) == ["deleted", "updated"]
    hook.refresh_from_db()
    assert hook.ended


def test_a_failing_receiver_is_tried_again_later_with_the_same_id(using: str, receiver: Receiver, settings) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0
    receiver.answers = [503, 500]
    hook_on_vehicles(receiver)
    Vehicle.objects.using(using).create(name="55")
    assert drain_outbox(using) == {"retry": 2, "sent": 1}
    assert len({delivery.id for delivery in receiver.deliveries}) == 1
    callback = Callback.objects.using(using).get()
    assert (callback.status, callback.attempts, callback.status_details) == ("sent", 3, "200 OK")
    log = Attempt.objects.using(using).filter(callback=callback)
    assert [attempt.status_code for attempt in log] == [503, 500, 200]


def test_a_callback_is_given_up_after_the_last_attempt(using: str, receiver: Receiver, settings) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0
    settings.HELIOSTAT_MAX_ATTEMPTS = 2
    receiver.answers = [500] * 5
    hook_on_vehicles(receiver)
    Vehicle.objects.using(using).create(name="55")
    drain_outbox(using)
    callback = Callback.objects.using(using).get()
    assert (callback.status, callback.attempts) == ("error", 2)
    assert callback.status_details == "500 Internal Server Error"


def test_410_gone_disables_the_hook(receiver: Receiver) -> None:
    receiver.answers = [410]
    hook = hook_on_vehicles(receiver)
    Vehicle.objects.create(name="55")
    drain_outbox()
    hook.refresh_from_db()
    assert not hook.enabled
    Vehicle.objects.create(name="56")
    assert Callback.objects.count() == 1


def test_ten_hooks_cost_as_many_statements_as_one(
    using: str, receiver: Receiver, django_assert_num_queries, django_assert_max_num_queries
) -> None:
    from django.db import connections

    counts = []
    for hooks in (1, 9):
        for _ in range(hooks):
            hook_on_vehicles(receiver)
        Vehicle.objects.using(using).create(name="warm")
        with django_assert_max_num_queries(20, connection=connections[using]) as context:
            Vehicle.objects.using(using).create(name="55")
        counts.append(len(context))
    assert counts[0] == counts[1]


def test_an_explicit_payload_is_what_is_sent(receiver: Receiver) -> None:
    hook_on_vehicles(receiver)
    bus = Vehicle.objects.create(name="55")
    emit("crashed", bus, payload={"where": "Main Street"})
    drain_outbox()
    assert {"where": "Main Street"} in [delivery.json for delivery in receiver.deliveries]


def test_a_batch_is_published_once_for_each_object(using: str, receiver: Receiver) -> None:
    hook_on_vehicles(receiver)
    with batch(using):
        bus = Vehicle.objects.using(using).create(name="55")
        bus.seats = 40
        bus.save()
    (event,) = Event.objects.using(using).all()
    body = json.loads(event.body)
    assert body["event_type"] == "created"
    assert body["object_serialization"]["seats"] == 40


@pytest.mark.parametrize(
    "values", [{"headers": "Authorization Bearer 42"}, {"content_type": "a/b\nX-Evil: 1"}, {"encrypted_secret": "?"}]
)
def test_a_hook_that_was_spoilt_past_its_validation_holds_up_no_other(
    receiver: Receiver, values: dict[str, str]
) -> None:
    good, spoilt = hook_on_vehicles(receiver), hook_on_vehicles(receiver)
    Hook.objects.filter(pk=spoilt.pk).update(**values)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 1, "cancel": 1}
    assert len(receiver.deliveries) == 1
    assert Callback.objects.get(subscriber=good.subscriber).status == "sent"
    assert "42" not in Callback.objects.get(subscriber=spoilt.subscriber).status_details, "it may be a secret"
