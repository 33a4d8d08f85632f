"""A hook that can never be notified is refused, and the error says what was meant or how to declare it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.checks import Tags, run_checks
from django.db.models import QuerySet

import heliostat
from heliostat.events import types
from heliostat.outbox.models import Callback
from heliostat.webhooks.api import create_hook, create_signal
from heliostat.webhooks.exceptions import InvalidFiltersError, InvalidSignalError
from heliostat.webhooks.filters import compiled
from heliostat.webhooks.import_guard import declares_signal, only_defines
from heliostat.webhooks.models import Hook, Signal
from tests.example.models import Depot, Vehicle

pytestmark = pytest.mark.django_db

URL = "https://receiver.example.com/"


def notified() -> list[str]:
    rows = Callback.objects.order_by("pk").select_related("event")
    return [f"{row.event.resource}.{row.event.action}" for row in rows]


@pytest.mark.parametrize(
    ("signals", "words"),
    [
        (["no.such.signal"], "There is no event type “no.such.signal”"),
        (["dummy.signal"], "There is no event type “dummy.signal”"),
        (["postsave"], "Did you mean django.db.models.signals.post_save"),
        (["post_save"], "Did you mean django.db.models.signals.post_save"),
        (["created", "creat"], "“creat” is no action of example.vehicle. Did you mean created"),
        (["smashed_up"], "Its actions are created, updated, deleted, crashed"),
        (["crashd"], "Did you mean crashed"),
        (["read"], "“example.vehicle.read” is never published: reading an object is an event for listeners only"),
        (["auth.usr.created"], "Did you mean auth.user.created"),
        (["auth.user.creatd"], "Did you mean auth.user.created"),
        (["auth.user.read"], "reading an object is an event for listeners only"),
        (["example.vehicle.crashd"], "Did you mean example.vehicle.crashed"),
        (["example.depot.crashed"], "There is no event type “example.depot.crashed”"),
        (["weather.station.strom"], "Did you mean weather.station.storm?"),
        (["exmaple.*"], "No event type matches “exmaple.*”"),
        (["example.vehicle.creat*x"], "No event type matches"),
        (["example.vehicle.[x]*"], "No event type matches"),
        (["*.read"], "reading an object is an event for listeners only"),
        (["sessions.session.created"], "the setting HELIOSTAT_SILENT names it"),
        (["sessions.*"], "matches only event types that are silenced"),
        (["hook_point.vehicle_to_fast"], "Did you mean hook_point.vehicle_too_fast"),
        (["webhooks.hook.disable"], "Did you mean webhooks.hook.disabled"),
        (["tests.example.signals.brokn_down"], "Did you mean broken_down?"),
        (["tests.example.dispatch.overheted"], "There is no event type"),
        (["django.db.models.signals.post_sav"], "Did you mean post_save"),
    ],
)
@pytest.mark.parametrize("how", ["create_hook", "create", "bulk_create", "save"])
def test_a_signal_that_nothing_can_match_is_refused(signals: list[str], words: str, how: str) -> None:
    model = ContentType.objects.get_for_model(Vehicle)
    with pytest.raises(InvalidSignalError) as caught:
        if how == "create_hook":
            create_hook(target_url=URL, model=Vehicle, signals=signals)
        elif how == "create":
            Hook.objects.create(target_url=URL, model=model, signals=signals)
        elif how == "bulk_create":
            Hook.objects.bulk_create([Hook(target_url=URL, model=model, signals=signals)])
        else:
            hook = Hook.objects.create(target_url=URL, model=model)
            hook.signals = signals
            hook.save()
    assert words in " ".join(caught.value.messages)


@pytest.mark.parametrize(
    "signals",
    [
        ["created", "updated", "deleted"], ["crashed"], ["example.vehicle.crashed"], ["*.created"], ["*.*"],
        ["weather.*"], ["weather.station.storm"], ["hook_point.vehicle_too_fast"], ["webhooks.hook.disabled"],
        ["heliostat.ping"], ["webhooks.*"], ["auth.user.created"], ["example.depot.updated"], ["cr*"], ["targets.*"],
        ["django.db.models.signals.pre_delete"], ["django.core.signals.request_finished"],
    ],
)  # fmt: skip
def test_what_can_be_published_may_be_named(signals: list[str]) -> None:
    assert create_hook(target_url=URL, model=Vehicle, signals=signals).pk


def test_a_silenced_model_is_refused() -> None:
    for signals in ([], ["created"], ["django.db.models.signals.post_save"]):
        with pytest.raises(InvalidSignalError, match=r"sessions\.session: the setting HELIOSTAT_SILENT names all"):
            create_hook(target_url=URL, model="session", signals=signals)
    assert not Hook.objects.exists()


def test_a_hook_on_a_model_that_django_is_silent_about_is_shown_unless_another_program_s_types_are_declared(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_hook(target_url=URL, model=Depot)
    monkeypatch.setattr(Depot, "heliostat_silent", True, raising=False)
    (message,) = run_checks(tags=[Tags.database], databases=["default"])
    assert "Depot has heliostat_silent = True" in message.msg
    settings.HELIOSTAT_EVENT_TYPES = ["example.depot.created"]
    assert run_checks(tags=[Tags.database], databases=["default"]) == []


def test_one_silenced_action_is_refused_and_the_others_are_not(settings: Any) -> None:
    settings.HELIOSTAT_SILENT = ["example.vehicle.updated"]
    with pytest.raises(InvalidSignalError, match="HELIOSTAT_SILENT names it"):
        create_hook(target_url=URL, model=Vehicle, signals=["created", "updated"])
    create_hook(target_url=URL, model=Vehicle, signals=["django.db.models.signals.post_save"])
    create_hook(target_url=URL, model=Vehicle)
    bus = Vehicle.objects.create(name="55")
    bus.name = "56"
    bus.save()
    assert notified() == ["example.vehicle.created"] * 2


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        ({"actions": ["creat"]}, "“creat” is no action of example.vehicle. Did you mean created"),
        ({"any": [{"actions": ["crashd"]}]}, "filters.any[0].actions: “crashd” is no action of example.vehicle."),
        ({"not": {"actions": ["read"]}}, "reading"),
        ({"actions": ["stolen"]}, "HELIOSTAT_EVENT_TYPES"),
    ],
)
def test_an_action_of_filters_that_cannot_happen_is_refused(filters: Any, words: str) -> None:
    with pytest.raises(InvalidFiltersError) as caught:
        create_hook(target_url=URL, model=Vehicle, filters=filters)
    assert words in caught.value.messages[0]
    with pytest.raises(InvalidFiltersError):
        compiled(filters, ("example.vehicle.*",))


def test_a_project_declares_its_event_types_in_settings(settings: Any) -> None:
    for declared in (
        ["example.vehicle.stolen"],
        {"example.vehicle.stolen": "It is gone."},
        ("example.vehicle.stolen",),
    ):
        settings.HELIOSTAT_EVENT_TYPES = declared
        assert [message for message in run_checks(databases=[]) if "EVENT_TYPES must" in message.msg] == []
        assert create_hook(target_url=URL, model="vehicle", signals=["stolen"]).pk
        with pytest.raises(InvalidSignalError, match="Did you mean stolen"):
            create_hook(target_url=URL, model="vehicle", signals=["stoln"])
    heliostat.emit("stolen", Vehicle.objects.create(name="55"))
    assert notified() == ["example.vehicle.stolen"] * 3


def test_an_app_declares_its_event_types_by_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(types, "_registered", {})
    heliostat.register_event_type("shop.order.paid", description="Money came.")
    assert create_hook(target_url=URL, signals=["shop.order.paid", "shop.*"]).pk
    with pytest.raises(InvalidSignalError, match=r"Did you mean shop\.order\.paid"):
        create_hook(target_url=URL, signals=["shop.order.pade"])
    assert types.declared_types()["shop.order.paid"] == "Money came."


@pytest.mark.parametrize(
    "wrong", ["paid", "shop.*", "shop..paid", ".paid", "shop paid", "a." + "b" * 100, 7, "", "a.b\n"]
)
def test_what_is_no_event_type_cannot_be_declared(wrong: Any, settings: Any) -> None:
    with pytest.raises(heliostat.exceptions.ConfigurationError, match="register_event_type"):
        heliostat.register_event_type(wrong)
    settings.HELIOSTAT_EVENT_TYPES = [wrong]
    assert "heliostat.E001" in [message.id for message in run_checks(databases=[])]


@pytest.mark.parametrize("wrong", ["shop.order.paid", 7, None, {"shop.order.paid": 7}])
def test_a_setting_that_is_no_list_of_event_types_is_a_system_check(wrong: Any, settings: Any) -> None:
    settings.HELIOSTAT_EVENT_TYPES = wrong
    assert "heliostat.E001" in [message.id for message in run_checks(databases=[])]
    Vehicle.objects.create(name="55")


def test_an_undeclared_action_can_be_sent_and_reaches_hooks_that_name_no_action() -> None:
    create_hook(target_url=URL, model=Vehicle)
    create_hook(target_url=URL, signals=["example.*"])
    heliostat.emit("stolen", Vehicle.objects.create(name="55"))
    assert notified().count("example.vehicle.stolen") == 2


def test_a_hook_that_was_saved_before_stays_quiet_and_is_shown_in_a_check(settings: Any) -> None:
    settings.HELIOSTAT_EVENT_TYPES = {"example.vehicle.stolen": ""}
    hook = create_hook(
        target_url=URL, model=Vehicle, signals=["stolen", "created"], filters={"actions": ["stolen", "created"]}
    )
    settings.HELIOSTAT_EVENT_TYPES = {}
    bus = Vehicle.objects.create(name="55")
    bus.name = "56"
    bus.save()
    assert notified() == ["example.vehicle.created"], "its filters still hold"
    (message,) = run_checks(tags=[Tags.database], databases=["default"])
    assert (message.id, f"hook {hook.pk}" in message.msg) == ("heliostat.W061", True)
    assert "stolen" in message.msg
    hook.enabled = False
    hook.save()
    assert run_checks(tags=[Tags.database], databases=["default"]) == []
    hook.enabled = True
    with pytest.raises(InvalidSignalError):
        hook.save()


def test_the_check_of_saved_hooks_needs_no_tables_and_shows_no_more_than_a_page() -> None:
    create_hook(target_url=URL, model=Vehicle, signals=["created"])
    QuerySet(Hook).update(signals=["stolen"])
    row = Hook.objects.get()
    QuerySet(Hook).bulk_create([Hook(target_url=URL, model=row.model, signals=["stolen"]) for _ in range(30)])
    messages = run_checks(tags=[Tags.database], databases=["default"])
    assert len(messages) == 21
    assert messages[-1].msg == "11 more hooks name what is never published."


def test_a_signal_of_a_module_with_any_name_is_found() -> None:
    from tests.example.dispatch import overheated

    path = "tests.example.dispatch.overheated"
    create_hook(target_url=URL, model=Vehicle, signals=[path])
    create_hook(target_url=URL, signals=[path])
    assert Signal.objects.get().name == path
    bus = Vehicle.objects.create(name="55")
    overheated.send(sender=Vehicle, instance=bus, degrees=120)
    assert notified() == ["example.vehicle.overheated"] * 2
    overheated.send(sender=None)
    assert notified()[2:] == [path], "without an object it is known by its path"
    with pytest.raises(InvalidSignalError):
        create_signal("tests.example.dispatch.overheted")


PROGRAM = """
import django, sys
django.setup()
from heliostat.webhooks.event_patterns import check_signals, is_path
path = "tests.example.late.news.departed"
assert is_path(path) and "tests.example.late.news" not in sys.modules
check_signals([path], None)
assert "tests.example.late.news" in sys.modules
assert not is_path("tests.example.dangerous.scripts.signal")
assert not is_path("tests.example.late.news.depart")
assert not is_path("tests.example.late.news.logger")
"""


def test_a_signal_of_a_module_that_nobody_imported_is_found_in_its_source() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, env=environment, timeout=60)


@pytest.mark.parametrize(
    "line",
    [
        "import os\nos.environ['RAN'] = 'yes'",
        "print('hello')",
        "ran = wipe()",
        "import os\nran = os.system('true')",
        "with open('x') as file: pass",
        "for x in range(3): pass",
        "while True: pass",
        "try: wipe()\nexcept Exception: pass",
        "del x",
        "x.y = 1",
        "if True: wipe()",
        "if __name__ != '__main__': wipe()",
        "if TYPE_CHECKING: pass\nelse: wipe()",
        "x = [wipe() for _ in range(3)]",
        "x = {'a': lambda: 1, 'b': wipe()}",
        "assert wipe()",
        "raise SystemExit",
        "def f(: pass",
        "def f(x=wipe()): pass",
        "def f(*, x=wipe()): pass",
        "def f(x: wipe()): pass",
        "async def f() -> wipe(): pass",
        "@wipe\ndef f(): pass",
        "@dataclass(wipe())\nclass C: pass",
        "@receiver(post_save)\ndef f(): pass",
        "class C(wipe()): pass",
        "class C(metaclass=wipe()): pass",
        "class C:\n    wipe()",
        "class C:\n    class D:\n        x = wipe()",
        "x: wipe() = 1",
        "\0",
    ],
)
def test_a_module_that_would_run_anything_is_not_imported_for_a_row(line: str) -> None:
    assert not declares_signal(f"from django.dispatch import Signal\nsignal = Signal()\n{line}\n", "signal")
    assert not only_defines(line)


@pytest.mark.parametrize(
    "source",
    ["signal = Signal()", "signal = dispatch.Signal()", "signal: Signal = TaskSignal(use_caching=True)",
     "@dataclass(frozen=True)\nclass C:\n    'docs'\n    x: list[int] = field(default_factory=list)\n    @property\n    def f(self, y: int = 1) -> int: return wipe()\nsignal = Signal()",  # noqa: E501
     "'''docs'''\nimport a\nfrom b import c\nX = {'a': [1]}\nother = signal = Signal()\ndef f(): wipe()\nclass C: pass"],  # noqa: E501
)  # fmt: skip
def test_a_module_that_only_defines_things_may_be_imported_for_a_row(source: str) -> None:
    assert declares_signal(source, "signal")
    assert not declares_signal(source, "f")


def test_a_signal_whose_sender_is_the_model_is_understood(client: Any, settings: Any) -> None:
    user = get_user_model().objects.create_user("ada", password="x")
    create_hook(target_url=URL, model="user", signals=["django.contrib.auth.signals.user_logged_in"])
    create_hook(target_url=URL, content_object=user, signals=["django.contrib.auth.signals.user_logged_out"])
    client.force_login(user)
    client.logout()
    assert notified() == ["auth.user.user_logged_in", "auth.user.user_logged_out"]
    assert {row.event.object_id for row in Callback.objects.all()} == {str(user.pk)}


def test_the_object_of_a_signal_is_the_argument_that_is_named_like_its_sender(settings: Any) -> None:
    from tests.example.dispatch import merged

    path = "tests.example.dispatch.merged"
    create_hook(target_url=URL, model=Vehicle, signals=[path])
    one, two = Vehicle.objects.create(name="55"), Vehicle.objects.create(name="56")
    merged.send(sender=Vehicle, vehicle=one, other=two)
    merged.send(sender=Vehicle, kept=two)
    merged.send(sender=one, other=two)
    merged.send(sender=Vehicle, source=one, target=two)
    merged.send(sender=Vehicle)
    merged.send(sender=Depot, kept=two)
    keys = [row.event.object_id for row in Callback.objects.order_by("pk")]
    assert keys == [str(one.pk), str(two.pk), str(one.pk), None, None]


def test_a_lazy_object_can_be_sent_like_the_object_itself() -> None:
    from django.utils.functional import SimpleLazyObject

    create_hook(target_url=URL, model=Vehicle, signals=["crashed"])
    bus = Vehicle.objects.create(name="55")
    heliostat.emit("crashed", SimpleLazyObject(lambda: bus))
    assert notified() == ["example.vehicle.crashed"]


def test_the_action_of_a_signal_with_a_row_may_be_named_and_is_published() -> None:
    from tests.example.signals import broken_down

    with pytest.raises(InvalidSignalError):
        create_hook(target_url=URL, model=Vehicle, signals=["broken_down"])
    create_signal("tests.example.signals.broken_down")
    create_hook(target_url=URL, model=Vehicle, signals=["broken_down"])
    create_hook(target_url=URL, signals=["example.vehicle.broken_down"], filters={"actions": ["broken_down"]})
    create_hook(target_url=URL, model=Vehicle, filters={"actions": ["broken_down"]})
    broken_down.send(sender=Vehicle, instance=Vehicle.objects.create(name="55"))
    assert notified() == ["example.vehicle.broken_down"] * 3


def test_a_hook_without_a_model_on_a_custom_signal_keeps_to_the_allowed_models(settings: Any) -> None:
    from tests.example.signals import broken_down

    settings.HOOK_ALLOWED_MODELS = ["example.Vehicle"]
    create_hook(target_url=URL, signals=["tests.example.signals.broken_down"])
    broken_down.send(sender=Vehicle, instance=Vehicle.objects.create(name="55"))
    broken_down.send(sender=Depot, instance=Depot.objects.create(name="North"))
    assert notified() == ["example.vehicle.broken_down"]
