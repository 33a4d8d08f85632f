"""Hooks count from the next event on, in this process and in every other, without a restart."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import OperationalError, transaction
from django.db.models import QuerySet
from rest_framework.authtoken.models import Token

from heliostat.delivery.request import Destination
from heliostat.events.matching import registry
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.models import Callback
from heliostat.testing import run_after_commit
from heliostat.webhooks import changes, kind, subscriptions
from heliostat.webhooks.exceptions import InvalidHeadersError, InvalidModelError, InvalidSignalError
from heliostat.webhooks.headers import parse_headers
from heliostat.webhooks.kind import HookKind
from heliostat.webhooks.models import Hook
from tests.chaos.processes import world
from tests.example.models import Depot, Vehicle
from tests.example.signals import broken_down

URL = "https://receiver.example.com/"


def hook(**options: object) -> Hook:
    model = ContentType.objects.get_for_model(Vehicle)
    return Hook.objects.create(**{"model": model, "target": URL, **options})


@pytest.mark.django_db
def test_saving_changing_and_deleting_a_hook_counts_at_once() -> None:
    made = hook()
    Vehicle.objects.create(name="1")
    assert Callback.objects.count() == 1
    made.enabled = False
    made.save()
    Vehicle.objects.create(name="2")
    assert Callback.objects.count() == 1
    Hook.objects.filter(pk=made.pk).update(enabled=True)
    made.delete()
    Vehicle.objects.create(name="3")
    assert Callback.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_hook_that_was_rolled_back_is_notified_of_nothing() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        hook()
        1 / 0
    Vehicle.objects.create(name="1")
    assert not Callback.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_hook_in_a_savepoint_that_was_rolled_back_is_notified_of_nothing() -> None:
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            hook()
            1 / 0
        Vehicle.objects.create(name="1")
    assert not Callback.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_test_that_runs_what_waits_for_its_commit_leaves_no_hook_behind() -> None:
    with transaction.atomic():
        with run_after_commit():
            hook()
            Vehicle.objects.create(name="1")
        assert Callback.objects.count() == 1
        transaction.set_rollback(True)
    Vehicle.objects.create(name="2")
    assert not Callback.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_hook_is_not_saved_where_other_processes_could_not_learn_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patch, pytest.raises(ConnectionError):
        patch.setattr(changes, "write", dies)
        hook()
    assert not Hook.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("signals", [5, [5]])
def test_a_row_that_no_hook_could_have_stops_nobody_else(signals: object, caplog: pytest.LogCaptureFixture) -> None:
    good, spoilt = hook(), hook()
    by_another_program(spoilt, signals=signals)
    registry.catch_up()
    Vehicle.objects.create(name="1")
    assert Callback.objects.get().subscriber == good.subscriber
    assert f"hook {spoilt.pk} is notified of nothing" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_while_hooks_cannot_be_read_those_of_before_are_notified_and_they_are_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_locked(*_: object) -> None:
        raise OperationalError("database is locked")

    made = hook()
    with monkeypatch.context() as patch:
        patch.setattr(subscriptions, "rows", is_locked)
        by_another_program(made, signals=["example.depot.*"])
        registry.catch_up()
        Vehicle.objects.create(name="1")
        assert Callback.objects.count() == 1
    registry.catch_up()
    Vehicle.objects.create(name="2")
    assert Callback.objects.count() == 1


def by_another_program(hook: Hook, **values: object) -> None:
    """Past all that this process does when it changes a hook itself."""
    QuerySet(Hook).filter(pk=hook.pk).update(**values)
    changes.write([hook.pk], "default")


@pytest.mark.django_db(transaction=True)
def test_where_a_hook_led_before_it_changed_is_not_remembered_by_who_looked_it_up_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made, looked_up, elsewhere = hook(), kind._look_up, URL + "elsewhere"

    def changed_meanwhile(names: object) -> object:
        found = looked_up(names)
        monkeypatch.setattr(kind, "_look_up", looked_up)
        Hook.objects.filter(pk=made.pk).update(target_url=elsewhere)
        HookKind().destinations([made.subscriber])  # by another thread
        return found

    monkeypatch.setattr(kind, "_look_up", changed_meanwhile)
    HookKind().destinations([made.subscriber])
    found = HookKind().destinations([made.subscriber])[made.subscriber]
    assert isinstance(found, Destination)
    assert found.url == elsewhere


SAVER = """
import django; django.setup()
from tests.example.models import Vehicle
import sys
for line in sys.stdin:
    Vehicle.objects.create(name=line)
    print("saved", flush=True)
"""


@pytest.mark.slow
def test_another_process_knows_of_a_new_hook_within_a_second(using: str, tmp_path: Path) -> None:
    with world(using, tmp_path) as made:
        process = made.start("-c", SAVER, stdin=subprocess.PIPE)
        assert process.stdin is not None
        assert process.stdout is not None

        def save() -> None:
            print("bus", file=process.stdin, flush=True)
            assert process.stdout.readline() == "saved\n"

        try:
            save()  # this process now knows of no hooks
            made.run(
                "from django.contrib.contenttypes.models import ContentType\n"
                "from heliostat.webhooks.models import Hook\nfrom tests.example.models import Vehicle\n"
                f"Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target={URL!r})"
            )
            time.sleep(1.0)
            save()
        finally:
            process.communicate(timeout=10)
        assert made.run("from heliostat.outbox.models import Callback\nanswer(Callback.objects.count())") == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("signals", "notified"),
    [
        ([], ["created", "updated", "deleted"]),
        (["created"], ["created"]),
        (["django.db.models.signals.post_save"], ["created", "updated"]),
        (["django.db.models.signals.post_delete"], ["deleted"]),
        (["example.vehicle.d*"], ["deleted"]),
        (["tests.example.signals.broken_down"], ["broken_down"]),
    ],
)
def test_a_hook_is_notified_of_the_signals_that_it_names(signals: list[str], notified: list[str]) -> None:
    hook(signals=signals)
    bus = Vehicle.objects.create(name="55")
    bus.save()
    if "broken_down" in notified:
        broken_down.send(sender=Vehicle, instance=bus)
    bus.delete()
    Depot.objects.create(name="North")
    assert list(Callback.objects.order_by("id").values_list("event__action", flat=True)) == notified


@pytest.mark.django_db
def test_what_can_never_be_notified_is_refused(settings) -> None:
    for signals in ("created", [5], ["tests.example.signals.missing"], ["no.signals.such"]):
        with pytest.raises(InvalidSignalError):
            hook(signals=signals)
    with pytest.raises(ValidationError):
        Hook.objects.create(target=URL)
    with pytest.raises(InvalidSignalError):
        Hook.objects.create(target=URL, signals=["created"])
    settings.HOOK_ALLOWED_MODELS = ["example.Depot"]
    with pytest.raises(InvalidModelError, match="HOOK_ALLOWED_MODELS"):
        hook()


@pytest.mark.django_db
def test_a_model_of_which_one_action_is_silent_is_not_allowed_by_that(settings) -> None:
    settings.HOOK_ALLOWED_MODELS = ["example.Depot"]
    settings.HELIOSTAT_SILENT = ["example.vehicle.created"]
    with pytest.raises(InvalidSignalError, match="HOOK_ALLOWED_MODELS"):
        Hook.objects.create(target=URL, signals=["example.vehicle.updated"])


@pytest.mark.django_db
def test_a_hook_that_is_allowed_no_longer_is_notified_nothing_more(settings, caplog) -> None:
    made = hook()
    Vehicle.objects.create(name="55")
    settings.HOOK_ALLOWED_MODELS = ["example.Depot"]
    Vehicle.objects.create(name="56")
    assert Callback.objects.count() == 1
    assert f"hook {made.pk} is notified of nothing: HOOK_ALLOWED_MODELS does not name example.vehicle" in caplog.text


@pytest.mark.parametrize(
    ("text", "headers"),
    [
        ("", ()),
        ("a: 1\r\nb: 2\nc: x:y\r\r\n", (("a", "1"), ("b", "2"), ("c", "x:y"))),
        ('{"test-token": "12345", "n": 5}', (("test-token", "12345"), ("n", "5"))),
    ],
)
def test_headers_are_lines_with_any_line_end_or_json(text: str, headers: object) -> None:
    assert parse_headers(text) == headers


@pytest.mark.parametrize(
    "text",
    [
        "no colon",
        "bad name: 1",
        ": 1",
        '{"a": [1]}',
        "{",
        '{"a": "x\\r\\nEvil: 1"}',
        "Host: x",
        "Webhook-Id: 1",
        "X-Site: Süd",
    ],
)
def test_headers_that_cannot_be_sent_are_refused(text: str) -> None:
    with pytest.raises(InvalidHeadersError):
        parse_headers(text)


@pytest.mark.django_db
def test_secrets_are_encrypted_at_rest_and_survive_a_change_of_key(settings) -> None:
    made = hook()
    secret = made.reveal_secret()
    assert secret.startswith("whsec_")
    assert secret not in made.encrypted_secret
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert made.reveal_secret() == secret
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(ConfigurationError, match="SECRET_KEY_FALLBACKS"):
        made.reveal_secret()


@pytest.mark.django_db
def test_a_token_is_notified_to_nobody_for_its_key_is_the_secret(django_user_model) -> None:
    Hook.objects.create(signals=["*.*"], target=URL)
    Token.objects.create(user=django_user_model.objects.create_user("ada"))
    assert set(Callback.objects.values_list("event__resource", flat=True)) == {"auth.user"}
