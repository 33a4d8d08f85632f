"""Code hooks: what is attached runs, in its phase; what fails harms nobody; what is wrong is said at the start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import transaction

from heliostat import emit, on
from heliostat.events.dispatch import failures
from heliostat.events.signals import listen_to
from heliostat.exceptions import ConfigurationError, Refused, UnknownHookPoint
from heliostat.hooks import points, run_hook
from heliostat.hooks.attached import CodeKind
from heliostat.hooks.decorator import detach
from heliostat.outbox.models import Attempt, Callback
from heliostat.testing import drain_outbox
from tests.example.models import Vehicle
from tests.example.signals import broken_down
from tests.hooks import functions
from tests.hooks.functions import calls

pytestmark = pytest.mark.django_db(transaction=True)
HERE = "tests.hooks.functions"


@pytest.fixture(autouse=True)
def no_calls() -> Iterator[None]:
    calls.clear()
    yield
    calls.clear()


@pytest.fixture
def bus() -> Vehicle:
    return Vehicle.objects.create(name="55")


@pytest.mark.parametrize(
    "entry",
    [
        f"{HERE}.simple",
        [f"{HERE}.simple"],
        {"call": f"{HERE}.simple"},
        {"call": f"{HERE}.simple", "when": "in_transaction"},
        [{"call": f"{HERE}.simple", "when": "after_commit"}],
    ],
)
def test_a_path_a_list_and_a_dict_attach_a_function(settings: Any, bus: Vehicle, entry: Any) -> None:
    settings.HOOKS = {"vehicle_too_fast": entry}
    run_hook("vehicle_too_fast", bus, speed=90.0)
    assert calls == [("simple", (bus, 90.0))]


def test_several_functions_run_in_order_and_a_failing_one_stops_nobody(
    settings: Any, bus: Vehicle, caplog: Any
) -> None:
    settings.HOOKS = {"vehicle_too_fast": [f"{HERE}.simple", f"{HERE}.failing", f"{HERE}.second"]}
    before = failures[f"code:vehicle_too_fast:{HERE}.failing"]
    run_hook("vehicle_too_fast", bus, 90.0)
    assert [name for name, _ in calls] == ["simple", "second"]
    assert "this hook fails" in caplog.text
    assert failures[f"code:vehicle_too_fast:{HERE}.failing"] == before + 1


def test_after_commit_waits_for_the_commit_and_forgets_what_is_rolled_back(settings: Any, bus: Vehicle) -> None:
    settings.HOOKS = {"vehicle_too_fast": f"{HERE}.simple"}
    with transaction.atomic():
        run_hook("vehicle_too_fast", bus, 90.0)
        assert calls == []
    assert len(calls) == 1
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        run_hook("vehicle_too_fast", bus, 91.0)
        1 / 0
    assert len(calls) == 1


def test_in_transaction_a_raising_hook_undoes_the_change(settings: Any) -> None:
    settings.HOOKS = {"vehicle_too_fast": {"call": f"{HERE}.failing", "when": "in_transaction"}}
    with pytest.raises(Refused, match="this hook fails"), transaction.atomic():
        run_hook("vehicle_too_fast", Vehicle.objects.create(name="56"), 90.0)
    assert not Vehicle.objects.exists()


def test_a_durable_hook_is_notified_by_a_worker_with_the_object_as_it_was(settings: Any, bus: Vehicle) -> None:
    settings.HOOKS = {"vehicle_too_fast": {"call": f"{HERE}.simple", "when": "durable"}}
    run_hook("vehicle_too_fast", bus, 90.0)
    Vehicle.objects.filter(pk=bus.pk).update(name="renamed since")
    assert calls == []
    assert drain_outbox() == {"sent": 1}
    ((_, (vehicle, speed)),) = calls
    assert (vehicle.pk, vehicle.name, speed) == (bus.pk, "55", 90.0)


def test_a_durable_hook_gets_lists_of_objects_too(settings: Any, bus: Vehicle) -> None:
    settings.HOOKS = {"vehicles_checked": {"call": f"{HERE}.of_many", "when": "durable"}}
    run_hook("vehicles_checked", [bus, bus])
    drain_outbox()
    assert calls == [("of_many", (bus, bus))]


def test_a_durable_hook_that_fails_is_notified_again_until_it_succeeds(settings: Any, bus: Vehicle) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0
    settings.HELIOSTAT_MAX_ATTEMPTS = 3
    settings.HOOKS = {"vehicle_too_fast": {"call": f"{HERE}.failing", "when": "durable"}}
    run_hook("vehicle_too_fast", bus, 90.0)
    drain_outbox()
    callback = Callback.objects.get()
    assert (callback.status, callback.attempts) == ("error", 3)
    assert "this hook fails" in Attempt.objects.filter(callback=callback)[0].error


def test_a_durable_hook_that_is_configured_no_longer_is_given_up_with_the_reason(settings: Any, bus: Vehicle) -> None:
    settings.HOOKS = {"vehicle_too_fast": {"call": f"{HERE}.simple", "when": "durable"}}
    run_hook("vehicle_too_fast", bus, 90.0)
    settings.HOOKS = {}
    drain_outbox()
    assert Callback.objects.get().status_details == "no such function is configured any more"


def test_a_hook_point_can_be_led_to_by_events(settings: Any, bus: Vehicle) -> None:
    settings.HOOKS = {"vehicle_crashed": f"{HERE}.on_crash"}
    emit("crashed", bus)
    assert calls == [("on_crash", (bus,))]


def test_an_unknown_hook_point_says_which_is_near(bus: Vehicle) -> None:
    with pytest.raises(UnknownHookPoint, match="Did you mean vehicle_too_fast"):
        run_hook("vehicle_to_fast", bus, 90.0)


def test_arguments_that_do_not_fit_are_an_error_of_the_caller(bus: Vehicle) -> None:
    with pytest.raises(TypeError):
        run_hook("vehicle_too_fast", bus)


@pytest.mark.parametrize(
    ("hooks", "id_", "words"),
    [
        ({"vehicle_to_fast": f"{HERE}.simple"}, "heliostat.E010", "Did you mean vehicle_too_fast"),
        ({"vehicle_too_fast": f"{HERE}.missing"}, "heliostat.E011", "cannot be imported"),
        ({"vehicle_too_fast": f"{HERE}.simpel"}, "heliostat.E011", f"Did you mean {HERE}.simple"),
        ({"vehicle_too_fast": "no.such.module.function"}, "heliostat.E011", "cannot be imported"),
        ({"vehicle_too_fast": f"{HERE}.not_a_function"}, "heliostat.E011", "not a function"),
        ({"vehicle_too_fast": f"{HERE}.coroutine"}, "heliostat.E011", "which would not be awaited"),
        ({"vehicle_too_fast": f"{HERE}.wrong_arguments"}, "heliostat.E011", "does not fit"),
        ({"vehicle_too_fast": 5}, "heliostat.E011", "dotted path"),
        ({"vehicle_too_fast": {"when": "durable"}}, "heliostat.E011", "no `call`"),
        ({"vehicle_too_fast": {"call": f"{HERE}.simple", "when": "later"}}, "heliostat.E011", "in_transaction"),
        ({"vehicle_too_fast": {"call": f"{HERE}.simple", "then": 1}}, "heliostat.E011", "then"),
        ([], "heliostat.E011", "must be a dict"),
    ],
)
def test_each_way_to_get_hooks_wrong_is_a_system_check(settings: Any, hooks: Any, id_: str, words: str) -> None:
    settings.HOOKS = hooks
    (message,) = [message for message in run_checks(databases=[]) if message.id.startswith("heliostat.E01")]
    assert message.id == id_
    assert words in message.msg


def test_right_settings_pass_the_checks() -> None:
    assert run_checks(databases=[]) == []


def test_without_hooks_in_the_settings_nothing_breaks(settings: Any, bus: Vehicle) -> None:
    del settings.HOOKS
    run_hook("vehicle_too_fast", bus, 90.0)
    bus.save()


def test_the_decorator_publishes_a_function_of_events() -> None:
    notified = []

    @on("example.vehicle.created", "example.vehicle.deleted")
    def notify(event: Any) -> None:
        notified.append(event.type)

    try:
        Vehicle.objects.create(name="55").delete()
    finally:
        detach(notify)
    Vehicle.objects.create(name="56")
    assert notified == ["example.vehicle.created", "example.vehicle.deleted"]


def test_the_decorator_checks_what_it_is_given() -> None:
    with pytest.raises(ConfigurationError, match="event types"):
        on("created")
    with pytest.raises(ConfigurationError, match="coroutine is a coroutine function, which would not be awaited"):
        on("example.vehicle.created")(functions.coroutine)
    with pytest.raises(ConfigurationError, match="in_transaction"):
        on("example.vehicle.created", when="some day")


def test_a_decorated_function_that_names_no_resource_is_a_system_check() -> None:
    @on("example.vehicel.created")
    def notify(event: Any) -> None: ...

    try:
        (message,) = run_checks(databases=[])
    finally:
        detach(notify)
    assert message.id == "heliostat.E012"
    assert message.hint.startswith("Did you mean example.vehicle")


def test_a_durable_hook_that_exits_ends_neither_the_worker_nor_the_callback(settings: Any, bus: Vehicle) -> None:
    settings.HOOKS = {"vehicle_too_fast": {"call": f"{HERE}.exiting", "when": "durable"}}
    run_hook("vehicle_too_fast", bus, 90.0)
    assert drain_outbox() == {"retry": 1}


def test_a_durable_hook_whose_error_has_no_text_is_tried_again_like_any_other(settings: Any, bus: Vehicle) -> None:
    """Its attempt had no end: the worker prolonged the lease for ever, and could not be stopped."""
    settings.HOOKS = {"vehicle_too_fast": {"call": f"{HERE}.failing_unspeakably", "when": "durable"}}
    run_hook("vehicle_too_fast", bus, 90.0)
    assert drain_outbox() == {"retry": 1}
    assert Callback.objects.get().status_details.startswith("Unspeakable")


def test_a_durable_hook_that_cannot_be_looked_up_is_tried_again(
    settings: Any, bus: Vehicle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: Any) -> None:
        raise ImportError("the disk of the programs is away")

    settings.HOOKS = {"vehicle_too_fast": {"call": f"{HERE}.simple", "when": "durable"}}
    run_hook("vehicle_too_fast", bus, 90.0)
    monkeypatch.setattr(CodeKind, "function", missing)
    assert drain_outbox() == {"retry": 1}


@pytest.mark.parametrize(
    ("event_type", "words"),
    [
        ("targets.targt.created", "Did you mean targets.target.created"),
        ("targets.target.creatd", "Did you mean targets.target.created"),
        ("example.vehicle.crashd", "Did you mean example.vehicle.crashed"),
        ("weather.station.strom", "Did you mean weather.station.storm"),
        ("sessions.session.created", "HELIOSTAT_SILENT"),
        ("example.vehicle.read", "reading an object is an event for listeners only"),
        ("exmaple.*", "No event type matches"),
        ("shop.order.paid", "HELIOSTAT_EVENT_TYPES"),
    ],
)
def test_a_decorated_function_that_can_never_be_called_is_a_system_check(event_type: str, words: str) -> None:
    @on(event_type)
    def notify(event: Any) -> None: ...

    try:
        (message,) = run_checks(databases=[])
    finally:
        detach(notify)
    assert message.id == "heliostat.E012"
    assert words in message.msg


@pytest.mark.parametrize(("phase", "problems"), [("after_commit", 1), ("in_transaction", 1), ("durable", 0)])
def test_what_django_is_silent_about_reaches_durable_functions_alone(
    phase: str, problems: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vehicle, "heliostat_silent", True, raising=False)

    @on("example.vehicle.created", when=phase)
    def notify(event: Any) -> None: ...

    try:
        messages = [message for message in run_checks(databases=[]) if message.id == "heliostat.E012"]
    finally:
        detach(notify)
    assert len(messages) == problems
    assert all("Vehicle has heliostat_silent = True" in message.msg for message in messages)


def test_a_decorated_function_may_name_whatever_is_declared(settings: Any, bus: Vehicle) -> None:
    settings.HELIOSTAT_SIGNALS = ["tests.example.signals.broken_down"]
    notified = []

    @on("example.vehicle.crashed", "weather.*", "hook_point.vehicle_crashed", "tests.example.signals.broken_down")
    def notify(event: Any) -> None:
        notified.append(event.type)

    try:
        assert run_checks(databases=[]) == []
        listen_to(["tests.example.signals.broken_down"])
        emit("crashed", bus)
        broken_down.send(sender=Vehicle, instance=bus)
    finally:
        detach(notify)
    assert notified == ["example.vehicle.crashed", "example.vehicle.broken_down"]


def test_a_hook_point_that_no_event_can_lead_to_is_a_system_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "_points", dict(points._points))

    @points.hook_point(events=["example.vehicle.crashd"], arguments=lambda event: [event.instance])
    def vehicle_gone(vehicle: Any) -> None: ...

    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E013"
    assert "'vehicle_gone'" in message.msg
    assert "Did you mean example.vehicle.crashed" in message.msg


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tests.example.signals.brokn_down", "Did you mean tests.example.signals.broken_down?"),
        ("tests.example.signals", "not a django.dispatch.Signal"),
        ("tests.example.models.Vehicle", "not a django.dispatch.Signal"),
        ("nothing", "cannot be imported"),
        (f"tests.example.{'x' * 100}.signal", "cannot be imported"),
    ],
)
def test_a_signal_in_the_settings_that_cannot_be_found_is_a_system_check(settings: Any, path: str, words: str) -> None:
    settings.HELIOSTAT_SIGNALS = [path]
    (message,) = [message for message in run_checks(databases=[]) if message.id == "heliostat.E003"]
    assert words in message.msg
