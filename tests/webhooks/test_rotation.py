"""How a hook signs: with a shared secret or a key pair, and with the old one too while a new one takes over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery.signing import new_secret
from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.testing.receiver import Delivery
from heliostat.webhooks import operations
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.exceptions import InvalidSignatureError
from heliostat.webhooks.models import Hook
from heliostat.webhooks.verify import SignatureError, verify
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True)


def sent(receiver: Receiver) -> Delivery:
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 1}
    return receiver.deliveries[-1]


def fits(delivery: Delivery, secret: str) -> bool:
    try:
        verify(dict(delivery.headers.items()), delivery.body, secret)
    except SignatureError:
        return False
    return True


def test_both_secrets_sign_while_one_takes_over_and_then_the_new_one_alone(receiver: Receiver) -> None:
    hook = create_hook(model=Vehicle, target_url=receiver.url)
    old = hook.reveal_secret()
    new = operations.rotate_secret(hook)
    assert (fits(sent(receiver), old), fits(sent(receiver), new)) == (True, True)
    assert hook.previous_secret_until is not None
    assert timedelta(hours=23.9) < hook.previous_secret_until - timezone.now() <= timedelta(hours=24)
    Hook.objects.update(previous_secret_until=timezone.now() - timedelta(seconds=1))
    last = sent(receiver)
    assert (fits(last, old), fits(last, new)) == (False, True)


def test_an_overlap_ends_without_any_change_of_a_hook(receiver: Receiver) -> None:
    """The worker keeps what it has looked up; that a secret ended is seen all the same."""
    hook = create_hook(model=Vehicle, target_url=receiver.url)
    old = hook.reveal_secret()
    until = timezone.now() + timedelta(seconds=1)
    operations.rotate_secret(hook, overlap=timedelta(seconds=1))
    delivery = sent(receiver)
    while int(delivery.headers["webhook-timestamp"]) < until.timestamp() + 1:
        delivery = sent(receiver)
    assert not fits(delivery, old)


def test_a_hook_with_a_key_pair_is_verified_with_its_public_key(receiver: Receiver) -> None:
    hook = create_hook(model=Vehicle, target_url=receiver.url, signature="v1a")
    assert hook.reveal_secret().startswith("whsk_")
    assert Hook.objects.get().public_key == hook.public_key  # at any time: it is no secret
    assert fits(sent(receiver), hook.public_key)


def test_a_hook_that_shares_its_secret_has_no_public_key(receiver: Receiver) -> None:
    assert create_hook(model=Vehicle, target_url=receiver.url).public_key == ""


def test_a_rotation_may_change_the_way_to_sign(receiver: Receiver) -> None:
    hook = create_hook(model=Vehicle, target_url=receiver.url)
    old = hook.reveal_secret()
    operations.rotate_secret(hook, signature="v1a")
    delivery = sent(receiver)
    assert fits(delivery, old)
    assert fits(delivery, Hook.objects.get().public_key)
    with pytest.raises(ValueError, match="no signature 'v2'"):
        operations.rotate_secret(hook, signature="v2")


def test_the_way_to_sign_cannot_be_changed_under_a_secret_of_another_kind(receiver: Receiver) -> None:
    hook = create_hook(model=Vehicle, target_url=receiver.url)
    hook.signature = "v1a"
    with pytest.raises(InvalidSignatureError, match="rotate the secret") as caught:
        hook.save()
    assert list(caught.value.message_dict) == ["signature"]
    with pytest.raises(InvalidSignatureError, match="v1 or v1a"):
        create_hook(model=Vehicle, target_url=receiver.url, signature="v9")


def test_a_secret_of_ones_own_says_how_it_signs(receiver: Receiver) -> None:
    hook = Hook(target_url=receiver.url, signals=["example.vehicle.*"])
    hook.set_secret(new_secret("v1a"))
    hook.save()
    assert hook.signature == "v1a"


def test_no_secret_can_be_read_in_the_database(receiver: Receiver) -> None:
    hook = create_hook(model=Vehicle, target_url=receiver.url)
    secrets = [hook.reveal_secret(), operations.rotate_secret(hook, signature="v1a")]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {Hook._meta.db_table}")
        row = str(cursor.fetchall())
    for secret in secrets:
        assert secret.partition("_")[2] not in row


def test_a_new_secret_helps_where_the_old_one_can_be_read_no_longer(receiver: Receiver) -> None:
    with conf.override(encryption_keys=["lost"]):
        hook = create_hook(model=Vehicle, target_url=receiver.url)
    assert fits(sent_after_rotation(receiver, hook), hook.reveal_secret())


def sent_after_rotation(receiver: Receiver, hook: Hook) -> Delivery:
    operations.rotate_secret(hook)
    return sent(receiver)


def test_hooks_made_in_bulk_are_looked_at_and_sign_too(receiver: Receiver) -> None:
    (hook,) = Hook.objects.bulk_create([Hook(target_url=receiver.url, signals=["example.vehicle.*"])])
    assert fits(sent(receiver), hook.reveal_secret())
    with pytest.raises(InvalidSignatureError):
        Hook.objects.bulk_create([Hook(target_url=receiver.url, signals=["example.vehicle.created"], signature="v9")])


def test_a_secret_that_is_easily_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 24 bytes, not 3"):
        Hook().set_secret("whsec_AAAA")


def test_what_is_tried_again_is_signed_with_the_secret_of_then(receiver: Receiver) -> None:
    receiver.answers = [503]
    hook = create_hook(model=Vehicle, target_url=receiver.url)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"retry": 1}
    new = operations.rotate_secret(hook, overlap=timedelta(0))
    Callback.objects.update(due_at=timezone.now())
    assert drain_outbox() == {"sent": 1}
    first, second = receiver.deliveries
    assert (first.id, first.body) == (second.id, second.body)
    assert (fits(first, new), fits(second, new)) == (False, True)
