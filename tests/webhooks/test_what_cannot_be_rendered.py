"""What cannot be rendered is an error of its callback, with the reason: never of the save, and nothing else is sent."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, transaction

import heliostat
from heliostat.events.event import Event, Phase
from heliostat.events.matching import registry
from heliostat.events.subscriptions import Subscription
from heliostat.exceptions import SnapshotError
from heliostat.hooks.decorator import detach
from heliostat.outbox import resending
from heliostat.outbox.models import Callback, Status
from heliostat.outbox.models import Event as EventRow
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Depot, Vehicle
from tests.webhooks.payload_hooks import hook, problems

SMALL = '{"name": "{{instance.name}}"}'
everywhere = pytest.mark.django_db(transaction=True, databases="__all__")
# Of the tests' own models, whose text is as long as a test likes.
LARGE = {"text": "x" * 5000}


@pytest.fixture
def small_bodies(settings: Any) -> None:
    settings.HELIOSTAT_BODY_LIMIT = 4000


@everywhere
def test_a_default_body_over_the_limit_undoes_no_save_and_leaves_hooks_with_small_templates_alone(
    using: str, small_bodies: None, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    large, small = hook(), hook(payload_template=SMALL)
    Hook.objects.update(target_url=receiver.url)
    with transaction.atomic(using=using):
        Vehicle.objects.using(using).create(name="55", plan=LARGE)
        Depot.objects.using(using).create(name="North")
    assert Vehicle.objects.using(using).get().plan == LARGE
    assert Depot.objects.using(using).exists()
    (problem,) = problems(using)
    assert "HELIOSTAT_BODY_LIMIT allows 4,000" in problem
    assert f"{large.subscriber} is not sent example.vehicle.created" in caplog.text
    assert drain_outbox(using)["sent"] == 1
    (delivery,) = [one for one in receiver.deliveries if one.json == {"name": "55"}]
    assert delivery.id.endswith(f"_{small.pk}")
    body = json.loads(EventRow.objects.using(using).earliest("id").body)
    assert body["error"] == problem
    assert (body["type"], body["object_serialization"]) == ("example.vehicle.created", {})


@everywhere
def test_what_is_no_json_in_a_payload_undoes_nothing(using: str, receiver: Receiver) -> None:
    hook(signals=["crashed"], payload_template=SMALL)
    hook(signals=["crashed"])
    bus = Vehicle.objects.using(using).create(name="55")
    with transaction.atomic(using=using):
        heliostat.emit("crashed", bus, payload={"driver": object()})
        heliostat.emit("crashed", bus, arguments={"driver": object()})
        bus.name = "56"
        bus.save()
    assert Vehicle.objects.using(using).get().name == "56"
    assert len(problems(using)) == 3, "the template needs no arguments"
    assert all("it holds a object" in problem for problem in problems(using))
    assert Callback.objects.using(using).get(status=Status.WAITING).body == '{"name": "55"}'


@pytest.mark.parametrize("broken", ["template", "serializer", "static", "dynamic"])
@everywhere
def test_a_query_that_fails_while_rendering_leaves_the_transaction_as_it_was(
    broken: str, using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL a failed statement makes every later one fail, so a renderer must undo its own."""

    def failing(*_: Any, **__: Any) -> Any:
        Depot.objects.using(using).create(name="half done")
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM example_depot")

    options: dict[str, Any] = {}
    if broken == "template":
        options = {"payload_template": '{"depot": {{instance.depot.name}}}'}
        monkeypatch.setattr(Depot, "refresh_from_db", failing)
        monkeypatch.setattr(Depot, "from_db", classmethod(failing))
    elif broken == "serializer":
        options = {"serializer_class": "tests.example.serializers.VehicleSerializer"}
        monkeypatch.setattr("tests.example.serializers.VehicleSerializer.to_representation", failing)
    else:
        monkeypatch.setattr(Vehicle, f"get_{broken}_payload", failing, raising=False)
    hook(**options)
    depot = Depot(name="North")
    depot.save(using=using)
    with transaction.atomic(using=using):
        bus = Vehicle.objects.using(using).create(name="55", depot_id=depot.pk)
        assert not transaction.get_rollback(using)
        assert Vehicle.objects.using(using).count() == 1
        bus.name = "56"
        bus.save()
    assert Vehicle.objects.using(using).get().name == "56"
    assert len(problems(using)) == 2
    assert "no_such_column" in problems(using)[0]
    assert Depot.objects.using(using).values_list("name").count() == 1


@everywhere
def test_an_error_in_an_inner_transaction_of_a_renderer_marks_nothing_as_broken(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def static(self: Vehicle) -> dict[str, Any]:
        try:
            with transaction.atomic(using=using, savepoint=False):
                raise ZeroDivisionError
        except ZeroDivisionError:
            return {"quiet": True}

    monkeypatch.setattr(Vehicle, "get_static_payload", static, raising=False)
    hook()
    with transaction.atomic(using=using):
        Vehicle.objects.using(using).create(name="55")
        Depot.objects.using(using).create(name="North")
    assert problems(using) == []
    assert (Vehicle.objects.using(using).count(), Depot.objects.using(using).count()) == (1, 1)


@everywhere
def test_what_a_renderer_saves_before_it_fails_is_undone_and_published_to_nobody(
    using: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def static(self: Vehicle) -> dict[str, Any]:
        Depot.objects.using(using).create(name="ghost")
        raise ZeroDivisionError

    monkeypatch.setattr(Vehicle, "get_static_payload", static, raising=False)
    hook()
    hook(Depot)
    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)

    heliostat.on("example.depot.created")(hear)
    try:
        with heliostat.batch(using):
            Vehicle.objects.using(using).create(name="55")
        Vehicle.objects.using(using).create(name="56")
    finally:
        detach(hear)
    assert not Depot.objects.using(using).exists()
    assert heard == []
    assert {one.event.resource for one in Callback.objects.using(using).select_related("event")} == {"example.vehicle"}


@everywhere
def test_a_condition_of_a_code_hook_that_queries_and_fails_undoes_nothing(
    using: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(event: Event) -> bool:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM example_depot")
        return True

    heard: list[Event] = []

    def hear(event: Event) -> None:
        heard.append(event)

    heliostat.on("example.vehicle.created", condition=broken)(hear)
    try:
        with transaction.atomic(using=using):
            Vehicle.objects.using(using).create(name="55")
            Depot.objects.using(using).create(name="North")
    finally:
        detach(hear)
    assert (Vehicle.objects.using(using).count(), Depot.objects.using(using).count()) == (1, 1)
    assert len(heard) == 1, "what cannot be decided is published: a subscriber can ignore it, but not guess it"
    assert "no_such_column" in caplog.text


@pytest.mark.django_db
def test_a_durable_code_hook_whose_event_cannot_be_kept_is_an_error_too(small_bodies: None) -> None:
    def hear(event: Event) -> None:
        raise AssertionError

    heliostat.on("example.vehicle.created", when="durable")(hear)
    try:
        Vehicle.objects.create(name="55", plan=LARGE)
    finally:
        detach(hear)
    (problem,) = problems()
    assert "HELIOSTAT_BODY_LIMIT" in problem
    (callback,) = Callback.objects.all()
    assert callback.subscriber.startswith("code:")


@pytest.mark.django_db
def test_errors_are_counted_and_shown(
    small_bodies: None, admin_client: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    hook()
    Vehicle.objects.create(name="55", plan=LARGE)
    with pytest.raises(SystemExit) as ended:
        call_command("monitor_callbacks", "--status", "error", "--callbacks_limit", "0")
    assert ended.value.code == 1
    (callback,) = Callback.objects.all()
    page = admin_client.get(f"/admin/heliostat_outbox/callback/{callback.pk}/change/").content.decode()
    assert "HELIOSTAT_BODY_LIMIT allows 4,000" in page
    notified = admin_client.get(f"/api/v1/deliveries/{callback.pk}/")
    if notified.status_code == 200:
        assert "HELIOSTAT_BODY_LIMIT" in notified.json()["status_details"]
        assert notified.json()["body"] == ""


@everywhere
def test_what_still_cannot_be_rendered_ends_as_an_error_again(
    using: str, small_bodies: None, receiver: Receiver
) -> None:
    hook()
    Hook.objects.update(target_url=receiver.url)
    Vehicle.objects.using(using).create(name="55", plan=LARGE)
    (before,) = problems(using)
    (callback,) = Callback.objects.using(using).all()
    assert resending.resend([callback.pk], using) == 0
    assert problems(using) == [before]
    assert drain_outbox(using) == {}
    with pytest.raises(SystemExit):
        call_command("send_callbacks", "--callback", str(callback.pk), "--database", using)
    assert problems(using) == [before]
    assert receiver.deliveries == []


@everywhere
def test_what_was_corrected_is_rendered_again_when_it_is_resent(
    using: str, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = hook(payload_template=SMALL)
    Hook.objects.update(target_url=receiver.url, payload_template='{"name": ')
    bus = Vehicle.objects.using(using).create(name="55")
    assert len(problems(using)) == 1
    with heliostat.quiet():
        Vehicle.objects.using(using).filter(pk=bus.pk).delete()
    (callback,) = Callback.objects.using(using).exclude(render_error="")
    one.refresh_from_db()
    one.payload_template = SMALL
    one.save()
    assert resending.resend([callback.pk], using) == 1
    drain_outbox(using)
    assert [delivery.json for delivery in receiver.deliveries] == [{"name": "55"}], "as it was then"
    assert problems(using) == []


@pytest.mark.django_db(transaction=True)
def test_a_project_may_want_such_errors_raised(settings: Any, small_bodies: None) -> None:
    settings.DJANGO_HTTP_HOOKS_RAISE_EXCEPTIONS = True
    hook()
    with pytest.raises(SnapshotError, match="HELIOSTAT_BODY_LIMIT"):
        Vehicle.objects.create(name="55", plan=LARGE)
    assert not Vehicle.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_failing_insert_into_the_outbox_fails_the_save(monkeypatch: pytest.MonkeyPatch) -> None:
    hook()

    def full(execute: Any, sql: str, *rest: Any) -> Any:
        if "INTO heliostat_outbox" in sql:
            raise OSError("disk full")
        return execute(sql, *rest)

    with connections["default"].execute_wrapper(full), pytest.raises(OSError, match="disk full"):
        Vehicle.objects.create(name="55")
    assert not Vehicle.objects.exists()


@pytest.mark.django_db
def test_a_hook_that_fails_is_logged_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(Vehicle, "get_static_payload", lambda self: 1 / 0, raising=False)
    one = hook()
    with caplog.at_level(logging.ERROR):
        Vehicle.objects.create(name="55")
    (record,) = caplog.records
    assert f"hook {one.pk}" in record.getMessage()


@pytest.mark.django_db
def test_a_subscriber_without_a_body_of_its_own_gets_what_the_event_has() -> None:
    Vehicle.objects.create(name="55")
    registry.add("test", lambda: [Subscription(name="code:x", pattern="example.vehicle.*", phase=Phase.DURABLE)])
    try:
        Vehicle.objects.create(name="56")
    finally:
        registry.remove("test")
    assert problems() == []
    assert Callback.objects.get().what_is_sent == EventRow.objects.get().body
