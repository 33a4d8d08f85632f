"""Looking after hooks: test events, pauses, ends and new secrets."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from heliostat.delivery.worker import Worker
from heliostat.outbox.models import Callback
from heliostat.outbox.waking import Waker
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks import operations
from heliostat.webhooks.exceptions import HookDisabledError
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def hook_at(url: str, using: str = "default", **options: object) -> Hook:
    model = ContentType.objects.db_manager(using).get_for_model(Vehicle)
    return Hook.objects.using(using).create(model=model, target=url, **options)


def test_a_ping_reaches_this_hook_alone_signed_like_every_event(receiver: Receiver) -> None:
    hook = hook_at(receiver.url, name="depot", signals=["created"])
    hook_at(receiver.url)
    receiver.secrets = [hook.reveal_secret()]
    callback = operations.ping(hook)
    assert (callback.subscriber, callback.status) == (hook.subscriber, "waiting")
    assert drain_outbox() == {"sent": 1}
    (delivery,) = receiver.deliveries
    assert delivery.verified
    assert delivery.id == callback.message_id
    assert delivery.json["type"] == "heliostat.ping"
    assert delivery.json["object_serialization"] == {"name": "depot"}


def test_a_ping_is_a_callback_in_the_database_where_its_hook_lives(using: str) -> None:
    hook = hook_at("https://receiver.example.com/", using)
    callback = operations.ping(hook)
    assert Callback.objects.using(using).get().pk == callback.pk
    assert callback.event.type == "heliostat.ping"


def test_a_disabled_hook_is_sent_no_ping(receiver: Receiver) -> None:
    hook = hook_at(receiver.url, enabled=False)
    with pytest.raises(HookDisabledError, match="enable it first"):
        operations.ping(hook)
    assert not Callback.objects.exists()


def test_a_pause_and_its_end_are_written_down_and_wake_the_worker(using: str) -> None:
    hook = hook_at("https://receiver.example.com/", using)
    waker = Waker(using)
    waker.listen()
    waker.wait(0)
    try:
        operations.pause(hook)
        assert Hook.objects.using(using).get().paused
        assert not waker.wait(0)
        operations.resume(hook)
        assert not Hook.objects.using(using).get().paused
        assert waker.wait(5)
    finally:
        waker.close()


def test_a_disabled_hook_is_notified_of_nothing_until_it_is_enabled(receiver: Receiver) -> None:
    hook = hook_at(receiver.url)
    Hook.objects.update(failing_since=timezone.now())
    operations.disable(hook, because="it failed for days " * 50)
    Vehicle.objects.create(name="1")
    assert not Callback.objects.exists()
    assert Hook.objects.get().disabled_because.startswith("it failed for days")
    operations.enable(hook)
    Vehicle.objects.create(name="2")
    assert Callback.objects.count() == 1
    row = Hook.objects.get()
    assert (row.enabled, row.failing_since, row.disabled_because) == (True, None, "")


def test_what_waits_for_a_hook_that_was_disabled_is_cancelled(receiver: Receiver) -> None:
    hook = hook_at(receiver.url)
    Vehicle.objects.create(name="1")
    operations.disable(hook)
    Worker("default").drain()
    assert Callback.objects.get().status == "cancelled"
    assert not receiver.deliveries


def test_looking_after_a_hook_leaves_alone_what_somebody_else_changed(using: str) -> None:
    hook = hook_at("https://receiver.example.com/", using)
    Hook.objects.using(using).update(name="renamed")
    for act in (operations.pause, operations.resume, operations.disable, operations.enable, operations.rotate_secret):
        act(hook)
    assert Hook.objects.using(using).get().name == "renamed"


def test_a_new_secret_is_given_once_and_the_old_one_is_kept_for_the_overlap(using: str) -> None:
    hook = hook_at("https://receiver.example.com/", using)
    stale = Hook.objects.using(using).get()
    first = hook.reveal_secret()
    second = operations.rotate_secret(hook, overlap=timedelta(hours=2))
    assert second != first
    row = Hook.objects.using(using).get()
    assert row.reveal_secret() == hook.reveal_secret() == second
    assert row.previous_secret_until is not None
    assert timedelta(hours=1.9) < row.previous_secret_until - timezone.now() <= timedelta(hours=2)
    operations.rotate_secret(stale)  # read before the first rotation
    assert Hook.objects.using(using).get().encrypted_previous_secret == row.encrypted_secret


def test_without_an_overlap_the_old_secret_is_forgotten() -> None:
    hook = hook_at("https://receiver.example.com/")
    operations.rotate_secret(hook)
    operations.rotate_secret(hook, overlap=timedelta(0))
    row = Hook.objects.get()
    assert (row.encrypted_previous_secret, row.previous_secret_until) == ("", None)
