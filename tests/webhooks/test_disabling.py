"""Hooks that are disabled by themselves, and who is notified of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from heliostat.delivery.scheduler import Scheduler
from heliostat.outbox.models import Callback, CircuitBreaker
from heliostat.outbox.transitions import RETRY, SENT, Result, claim
from heliostat.testing import Answer, Receiver, captured_events, drain_outbox
from heliostat.webhooks import operations
from heliostat.webhooks.models import Hook
from heliostat.webhooks.operations import disable_failing
from tests.delivery.working import hook_to, vehicles

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

LONG = timedelta(days=5, minutes=1)


@pytest.fixture(autouse=True)
def retried_at_once(settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0
    settings.HELIOSTAT_MAX_ATTEMPTS = 2


def row(hook: Hook) -> Hook:
    return Hook.objects.get(pk=hook.pk)


def fail_for_long(hook: Hook) -> None:
    """It fails now, and did so long ago."""
    vehicles(1)
    drain_outbox()
    Hook.objects.filter(pk=hook.pk).update(failing_since=timezone.now() - LONG)
    vehicles(1)
    drain_outbox()


def test_a_hook_that_fails_is_not_disabled_before_its_time(using: str, receiver: Receiver) -> None:
    receiver.answers = lambda _: Answer(404)
    hook = hook_to(receiver)
    vehicles(1, using)
    drain_outbox(using)
    assert row(hook).enabled
    assert row(hook).failing_since is not None


def test_a_hook_that_only_failed_for_days_is_disabled_and_says_why(receiver: Receiver) -> None:
    receiver.answers = lambda _: Answer(404)
    hook = hook_to(receiver)
    with captured_events() as events:
        fail_for_long(hook)
    assert not row(hook).enabled
    assert "only failed since" in row(hook).disabled_because
    (event,) = [event for event in events if event.type == "webhooks.hook.disabled"]
    assert event.object_id == str(hook.pk)
    assert event.snapshot["host"] == urlsplit(receiver.url).netloc
    assert "target_url" not in event.snapshot, "addresses may hold secrets"


def test_one_success_is_enough_to_begin_again_and_costs_no_write_otherwise(receiver: Receiver) -> None:
    receiver.answers = [404]
    hook = hook_to(receiver)
    vehicles(1)
    drain_outbox()
    assert row(hook).failing_since is None
    assert not CircuitBreaker.objects.exists()
    vehicles(3)
    with CaptureQueriesContext(connection) as queries:
        drain_outbox()
    assert not [one["sql"] for one in queries if "UPDATE" in one["sql"] and "webhooks_hook" in one["sql"]]


def test_enabling_it_forgets_what_was_counted_against_it(receiver: Receiver) -> None:
    receiver.answers = lambda _: Answer(404)
    hook = hook_to(receiver)
    fail_for_long(hook)
    Hook.objects.filter(pk=hook.pk).update(enabled=True)  # as a form does
    vehicles(1)
    drain_outbox()
    assert row(hook).enabled
    operations.enable(hook)
    assert row(hook).failing_since is None


def test_however_it_is_enabled_again_nothing_says_any_more_why_it_was_not(receiver: Receiver) -> None:
    hook = hook_to(receiver)

    def disabled() -> Hook:
        disable_failing(hook.subscriber, "gone")
        assert row(hook).disabled_because == "gone"
        return row(hook)

    one = disabled()
    one.enabled = True
    one.save()
    assert row(hook).disabled_because == ""
    one = disabled()
    one.enabled = True
    one.save(update_fields=["enabled"])
    assert row(hook).disabled_because == ""
    disabled()
    Hook.objects.filter(pk=hook.pk).update(enabled=True)
    assert row(hook).disabled_because == ""


def test_hooks_that_are_disabled_together_keep_why(receiver: Receiver) -> None:
    hook = hook_to(receiver)
    hook.enabled, hook.disabled_because = False, "moved"
    Hook.objects.bulk_update([hook], ["enabled", "disabled_because"])
    assert (row(hook).enabled, row(hook).disabled_because) == (False, "moved")


def test_zero_means_never(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_DISABLE_AFTER = 0
    receiver.answers = lambda _: Answer(404)
    hook = hook_to(receiver)
    fail_for_long(hook)
    assert row(hook).enabled


def test_410_disables_at_once_with_the_same_notice(receiver: Receiver) -> None:
    receiver.answers = [410]
    hook = hook_to(receiver)
    vehicles(1)
    with captured_events() as events:
        drain_outbox()
    assert row(hook).disabled_because == "its receiver answered 410 Gone"
    assert "webhooks.hook.disabled" in [event.type for event in events]


def test_another_hook_can_be_notified_of_it_and_the_disabled_one_is_not(receiver: Receiver) -> None:
    with Receiver(answers=[410]) as gone:
        dead = Hook.objects.create(target=gone.url, signals=["example.*", "webhooks.*"])
        watching = Hook.objects.create(target=receiver.url, signals=["webhooks.hook.*"])
        vehicles(1)
        drain_outbox()
        drain_outbox()
    (delivery,) = receiver.deliveries
    assert delivery.json["object_id"] == str(dead.pk)
    assert len(gone.deliveries) == 1
    assert row(watching).enabled


def test_hooks_that_watch_each_other_end_in_peace(receiver: Receiver) -> None:
    receiver.answers = lambda _: Answer(410)
    for _ in range(3):
        Hook.objects.create(target=receiver.url, signals=["webhooks.hook.disabled", "example.*"])
    vehicles(1)
    drain_outbox()
    drain_outbox()
    assert not Hook.objects.filter(enabled=True).exists()
    assert len(receiver.deliveries) <= 3 + 2 + 1, "each is notified of those that ended before it, at most"
    assert not Callback.objects.filter(status="waiting").exists()


def test_its_owner_gets_an_e_mail(receiver: Receiver, django_user_model: Any) -> None:
    ada = django_user_model.objects.create_user("ada", "ada@example.com")
    receiver.answers = [410]
    hook = hook_to(receiver, user=ada)
    Hook.objects.update(name="depot\nBcc: everybody@example.com\u202e")  # as no form or code saves it any more
    vehicles(1)
    drain_outbox()
    drain_outbox()
    (message,) = mail.outbox
    assert message.to == ["ada@example.com"]
    assert message.subject == "Your webhook “depot Bcc: everybody@example.com” is disabled"
    assert "410 Gone" in message.body
    assert f"/admin/heliostat_webhooks/hook/{hook.pk}/change/" in message.body
    assert receiver.url not in message.body


def test_nobody_without_an_address_is_written_to_and_a_site_may_write_to_nobody(
    receiver: Receiver, django_user_model: Any, settings: Any
) -> None:
    receiver.answers = lambda _: Answer(410)
    hook_to(receiver, user=django_user_model.objects.create_user("ben"))
    vehicles(1)
    drain_outbox()
    drain_outbox()
    settings.HELIOSTAT_MAIL_OWNERS = False
    hook_to(receiver, user=django_user_model.objects.create_user("ada", "ada@example.com"))
    vehicles(1)
    drain_outbox()
    drain_outbox()
    assert mail.outbox == []


def test_an_owner_who_is_inactive_by_then_gets_no_e_mail(receiver: Receiver, django_user_model: Any) -> None:
    ada = django_user_model.objects.create_user("ada", "ada@example.com")
    hook = hook_to(receiver, user=ada)
    disable_failing(hook.subscriber, "gone")
    django_user_model.objects.update(is_active=False)
    drain_outbox()
    assert Callback.objects.get(subscriber__startswith="notice:").status == "sent"
    assert mail.outbox == []


def test_a_mail_that_cannot_be_sent_is_logged_and_tried_again(
    receiver: Receiver, django_user_model: Any, settings: Any, caplog: Any
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    receiver.answers = [410]
    hook_to(receiver, user=django_user_model.objects.create_user("ada", "ada@example.com"))
    vehicles(1)
    drain_outbox()
    drain_outbox()
    assert "mail_to_owner failed" in caplog.text
    notice = Callback.objects.get(subscriber__startswith="notice:")
    assert notice.attempts == 2


def test_a_subscriber_that_refuses_it_ends_no_worker(receiver: Receiver, caplog: Any) -> None:
    from heliostat import on
    from heliostat.events.matching import registry
    from heliostat.hooks import decorator

    before = dict(decorator._decorated)

    @on("webhooks.hook.disabled", when="in_transaction")
    def refuse(event: Any) -> None:
        raise ValueError("not this one")

    registry.refresh(decorator.SOURCE)
    try:
        receiver.answers = [410]
        hook = hook_to(receiver)
        vehicles(2)
        assert drain_outbox() == {"give_up": 1, "sent": 1}
    finally:
        decorator._decorated.clear()
        decorator._decorated.update(before)
        registry.refresh(decorator.SOURCE)
    assert row(hook).enabled
    assert "not this one" in caplog.text


def test_a_hook_that_succeeds_now_and_then_is_not_disabled(receiver: Receiver) -> None:
    hook = hook_to(receiver)
    Hook.objects.filter(pk=hook.pk).update(failing_since=timezone.now() - LONG)
    vehicles(2)
    results = [
        Result(claimed=claimed, outcome=outcome, details="", started_at=timezone.now(), duration=0)
        for claimed, outcome in zip(claim({hook.subscriber: 2}, "default"), (SENT, RETRY), strict=True)
    ]
    scheduler = Scheduler("default")
    scheduler.notify(scheduler.learn(results))
    assert row(hook).enabled
    assert row(hook).failing_since > timezone.now() - LONG / 2
