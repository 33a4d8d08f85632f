"""Deliverers: who notifies hooks first. Whatever they do or fail to do, the outbox delivers all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.db import transaction
from django.test import TestCase

from heliostat.delivery.worker import Worker
from heliostat.outbox.models import Attempt, Callback, WorkerSeen
from heliostat.outbox.resending import resend
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks import operations
from heliostat.webhooks.models import Hook
from tests.delivery.commands import run
from tests.delivery.working import hook_to, vehicles
from tests.example.models import Vehicle
from tests.webhooks import deliverers

pytestmark = pytest.mark.django_db(transaction=True)
on_all_databases = pytest.mark.django_db(transaction=True, databases="__all__")

READY = "heliostat.webhooks.deliverers"
OURS = "tests.webhooks.deliverers"


@pytest.fixture(autouse=True)
def notified() -> Iterator[list[Any]]:
    deliverers.notified.clear()
    yield deliverers.notified
    deliverers.notified.clear()


@pytest.fixture
def inline(settings: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{READY}.deliver_hooks"


def states(using: str = "default") -> list[str]:
    return list(Callback.objects.using(using).order_by("pk").values_list("status", flat=True))


@pytest.mark.usefixtures("inline")
@on_all_databases
def test_inline_what_is_sent_again_was_published_when_that_returns(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    vehicles(2, using)
    assert resend(Callback.objects.using(using).values_list("pk", flat=True), using) == 2
    assert (len(receiver.deliveries), states(using)) == (4, ["sent", "sent"])


@pytest.mark.usefixtures("inline")
def test_inline_what_waited_while_its_hook_was_paused_is_notified_when_it_is_resumed(receiver: Receiver) -> None:
    hook = hook_to(receiver)
    operations.pause(hook)
    vehicles(2)
    assert states() == ["waiting", "waiting"]
    operations.resume(hook)
    assert states() == ["sent", "sent"]


@pytest.mark.usefixtures("inline")
def test_more_than_a_person_can_wait_for_is_left_to_the_worker(receiver: Receiver, monkeypatch: Any) -> None:
    hook_to(receiver)
    vehicles(3)
    monkeypatch.setattr("heliostat.outbox.dispatch.AT_ONCE", 2)
    assert resend(Callback.objects.values_list("pk", flat=True)) == 3
    assert states() == ["waiting"] * 3


@pytest.mark.usefixtures("inline")
def test_what_a_command_sends_it_sends_itself(receiver: Receiver, monkeypatch: Any) -> None:
    hook_to(receiver)
    vehicles(1)
    asked: list[Any] = []
    monkeypatch.setattr("heliostat.webhooks.deliverers.base.send_now", lambda *what: asked.append(what))
    (pk,) = Callback.objects.values_list("pk", flat=True)
    for arguments in (("--callback", pk), ()):
        Callback.objects.update(status="waiting")
        assert run("send_callbacks", *arguments).out == "1 callback: 1 sent.\n"
    assert asked == []


def test_by_default_nothing_is_sent_until_a_worker_comes(receiver: Receiver) -> None:
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    assert (states(), receiver.deliveries) == (["waiting"], [])


@pytest.mark.usefixtures("inline")
@on_all_databases
def test_inline_a_hook_was_notified_when_the_change_returns(using: str, receiver: Receiver) -> None:
    receiver.secrets = [hook_to(receiver).reveal_secret()]
    Vehicle.objects.using(using).create(name="55")
    (delivery,) = receiver.deliveries
    assert (delivery.verified, delivery.json["object_serialization"]["name"]) == (True, "55")
    assert states(using) == ["sent"]


@pytest.mark.usefixtures("inline")
def test_inline_a_transaction_is_published_at_its_commit_and_all_at_once(receiver: Receiver, monkeypatch: Any) -> None:
    from heliostat.webhooks.deliverers import base

    calls: list[int] = []
    send = base.send_now

    def counted(callbacks: Any, using: str) -> Any:
        calls.append(len(callbacks))
        return send(callbacks, using)

    monkeypatch.setattr(base, "send_now", counted)
    hook_to(receiver)
    with transaction.atomic():
        for name in ("1", "2", "3"):
            Vehicle.objects.create(name=name)
        assert receiver.deliveries == []
    assert (len(receiver.deliveries), calls) == (3, [3])


@pytest.mark.usefixtures("inline")
def test_inline_what_is_undone_is_notified_to_nobody(receiver: Receiver) -> None:
    hook_to(receiver)
    with transaction.atomic():
        Vehicle.objects.create(name="stays")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Vehicle.objects.create(name="undone")
            1 / 0
        Vehicle.objects.create(name="stays too")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Vehicle.objects.create(name="undone too")
        1 / 0
    names = {delivery.json["object_serialization"]["name"] for delivery in receiver.deliveries}
    assert names == {"stays", "stays too"}


@pytest.mark.usefixtures("inline")
def test_inline_what_was_begun_in_an_undone_savepoint_does_not_hold_back_the_rest(receiver: Receiver) -> None:
    hook_to(receiver)
    with transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Vehicle.objects.create(name="undone")
            1 / 0
        Vehicle.objects.create(name="stays")
    assert [delivery.json["object_serialization"]["name"] for delivery in receiver.deliveries] == ["stays"]


@pytest.mark.usefixtures("inline")
def test_what_fails_inline_is_notified_by_a_worker_with_the_same_id(receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0
    receiver.answers = [503]
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    assert states() == ["waiting"]
    drain_outbox()
    first, second = receiver.deliveries
    assert (first.id, states()) == (second.id, ["sent"])
    assert list(Attempt.objects.values_list("number", "status_code")) == [(1, 503), (2, 200)]


@pytest.mark.usefixtures("inline")
def test_a_receiver_that_is_away_does_not_undo_the_change(settings: Any) -> None:
    Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target="http://127.0.0.1:9/")
    vehicle = Vehicle.objects.create(name="55")
    assert Vehicle.objects.filter(pk=vehicle.pk).exists()
    assert states() == ["waiting"]


@pytest.mark.usefixtures("inline")
@on_all_databases
def test_inline_and_a_worker_beside_it_notify_each_once(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    worker = Worker(using)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        for number in range(30):
            Vehicle.objects.using(using).create(name=str(number))
        receiver.wait_for(30, timeout=30)
    finally:
        worker.stop()
        thread.join(30)
    assert states(using) == ["sent"] * 30
    assert [delivery.times_seen for delivery in receiver.deliveries] == [1] * 30


@pytest.mark.usefixtures("inline")
@on_all_databases
def test_inline_an_ordered_hook_is_notified_in_order(using: str, receiver: Receiver) -> None:
    hook_to(receiver, ordered=True)
    with transaction.atomic(using=using):
        vehicle = Vehicle.objects.using(using).create(name="0")
        for name in ("1", "2", "3"):
            vehicle.name = name
            vehicle.save()
    names = [delivery.json["object_serialization"]["name"] for delivery in receiver.deliveries]
    assert names == ["0", "1", "2", "3"]


@pytest.mark.usefixtures("inline")
def test_inline_a_paused_hook_keeps_nobody_waiting(receiver: Receiver) -> None:
    hook_to(receiver, paused=True)
    Vehicle.objects.create(name="55")
    assert (states(), receiver.deliveries) == (["waiting"], [])


@pytest.mark.usefixtures("inline")
def test_sending_here_and_now_is_not_listed_as_a_worker(receiver: Receiver) -> None:
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    assert not WorkerSeen.objects.exists()


@pytest.mark.usefixtures("inline")
def test_inside_a_test_case_it_is_published_where_commits_are_run(receiver: Receiver) -> None:
    hook_to(receiver)
    with transaction.atomic():
        for expected in (1, 2):
            with TestCase.captureOnCommitCallbacks(execute=True):
                Vehicle.objects.create(name=str(expected))
            assert len(receiver.deliveries) == expected


def test_a_deliverer_that_breaks_down_loses_nothing(receiver: Receiver, settings: Any, caplog: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{OURS}.break_down"
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    assert "out of order" in caplog.text
    drain_outbox()
    assert states() == ["sent"]


def test_a_deliverer_that_is_news_itself_comes_to_an_end(receiver: Receiver, settings: Any, caplog: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{OURS}.make_news"
    settings.HELIOSTAT_MAX_DEPTH = 3
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    assert len(states()) == 4
    assert "HELIOSTAT_MAX_DEPTH allows 3" in caplog.text


def test_a_wrong_path_is_logged_and_the_worker_notifies(receiver: Receiver, settings: Any, caplog: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = "nowhere.at_all"
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    assert "'nowhere.at_all' cannot be imported" in caplog.text
    assert states() == ["waiting"]


def test_a_payload_is_dumped_by_the_project_when_it_happened(
    receiver: Receiver, settings: Any, notified: list[Any]
) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{OURS}.deliver_collection"
    hook_to(receiver, name="depot")
    with transaction.atomic():
        vehicle = Vehicle.objects.create(name="55")
        assert notified == [("dumped", vehicle.pk)]
    assert notified[1:] == [("delivered", ["depot"])]
    assert receiver.deliveries[0].body == f"dumped: {vehicle.pk}".encode()


def test_the_worker_sends_what_was_dumped(receiver: Receiver, settings: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{OURS}.deliver_dumping"
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    settings.HOOK_COLLECTION_DELIVERER = f"{READY}.deliver_hooks_by_worker"
    drain_outbox()
    assert receiver.deliveries[0].body == b"as bytes"


def test_a_dump_that_fails_is_logged_and_json_is_sent(receiver: Receiver, settings: Any, caplog: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{OURS}.deliver_with_failing_dump"
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    drain_outbox()
    assert receiver.deliveries[0].json["type"] == "example.vehicle.created"
    assert "no idea how" in caplog.text


@pytest.mark.parametrize("collection", ["deliver_hooks", "deliver_hooks_by_worker"])
def test_after_each_answer_the_project_may_delete_the_hook(
    receiver: Receiver, settings: Any, notified: list[Any], collection: str
) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{READY}.{collection}"
    settings.HOOK_ELEMENT_DELIVERER = f"{OURS}.deliver_element"
    receiver.answers = [200, 404]
    hook_to(receiver)
    for name in ("55", "56"):
        Vehicle.objects.create(name=name)
        drain_outbox()
    assert notified == [(200, receiver.url), (404, receiver.url)]
    assert not Hook.objects.exists()


@pytest.mark.usefixtures("inline")
def test_a_worker_waits_for_no_receiver_of_what_follows_an_answer(receiver: Receiver, settings: Any) -> None:
    settings.HOOK_ELEMENT_DELIVERER = f"{OURS}.deliver_and_make_news"
    settings.HELIOSTAT_MAX_DEPTH = 2
    hook_to(receiver, paused=True)
    Vehicle.objects.create(name="55")
    Hook.objects.update(paused=False)
    worker = Worker("default")
    assert worker.drain()["sent"] == 3, "the change, and what followed from it, to the depth that is allowed"
    assert states() == ["sent"] * 3


def test_what_follows_an_answer_may_fail_without_harm(receiver: Receiver, settings: Any, caplog: Any) -> None:
    settings.HOOK_ELEMENT_DELIVERER = f"{OURS}.deliver_with_failing_element"
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    drain_outbox()
    assert states() == ["sent"]
    assert "not my day" in caplog.text


def test_an_element_deliverer_may_be_a_function(receiver: Receiver, settings: Any, notified: list[Any]) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{READY}.deliver_hooks"
    settings.HOOK_ELEMENT_DELIVERER = f"{OURS}.deliver_one"
    hook_to(receiver)
    hook_to(receiver)
    Vehicle.objects.create(name="55")
    assert notified == [("one", "default")] * 2
    assert states() == ["sent", "sent"]


def test_hooks_are_found_by_target_as_the_document_does(receiver: Receiver) -> None:
    hook = hook_to(receiver)
    assert Hook.objects.get(target=receiver.url) == hook
    assert not Hook.objects.exclude(target__startswith="http://127.0.0.1").exists()


WRONG = {
    "heliostat.webhooks.deliverers.deliver_hoks": "Did you mean heliostat.webhooks.deliverers.deliver_hooks",
    "nowhere.deliver": "cannot be imported",
    f"{OURS}.Collection": "write `name = Collection.deliver` beside it",
    f"{OURS}.nothing_to_call": "is no deliverer",
    f"{OURS}.deliver_element": "is a deliverer for HOOK_ELEMENT_DELIVERER",
}


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_deliverer_is_a_check_error_that_says_what_to_do(settings: Any, path: str) -> None:
    settings.HOOK_COLLECTION_DELIVERER = path
    (error,) = run_checks(databases=[])
    assert (error.id, error.msg.count(WRONG[path])) == ("heliostat.E060", 1)


def test_a_path_is_understood_as_the_document_misspells_it(settings: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = "heliostat.webhooks.deliveres.deliver_hooks"
    settings.HOOK_ELEMENT_DELIVERER = "heliostat.webhooks.deliveres.deliver_hook"
    assert run_checks(databases=[]) == []


@pytest.mark.parametrize(
    ("allowed", "complaint"),
    [(["example.Vehikle"], "Did you mean example.vehicle"), ("example.Vehicle", "not a list")],
)
def test_allowed_models_that_do_not_exist_are_a_check_error(settings: Any, allowed: Any, complaint: str) -> None:
    settings.HOOK_ALLOWED_MODELS = allowed
    (error,) = run_checks(databases=[])
    assert error.id == "heliostat.E061"
    assert complaint in error.msg
