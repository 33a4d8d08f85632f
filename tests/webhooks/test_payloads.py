"""What hooks are sent: in which order it is decided, how often models are asked, and what a failure does."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from types import MappingProxyType
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connections
from django.db.models import F
from django.forms.models import model_to_dict
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy
from rest_framework.relations import Hyperlink

from heliostat import emit
from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.api import create_signal
from heliostat.webhooks.exceptions import InvalidPayloadError
from heliostat.webhooks.models import Hook
from heliostat.webhooks.signals import hook_event
from tests.example.models import Depot, Parcel, Vehicle
from tests.webhooks.payload_hooks import callback_bodies, hook, problems

SERIALIZER = "tests.example.serializers.VehicleSerializer"


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give a model methods of its own."""

    def give(model: type = Vehicle, **methods: Any) -> None:
        for name, method in methods.items():
            monkeypatch.setattr(model, f"get_{name}_payload", method, raising=False)

    return give


@pytest.mark.django_db
def test_the_first_of_payload_template_serializer_model_and_default_is_sent(says: Any) -> None:
    says(static=lambda self: {"from": "model"})
    hook(payload_template='{"from": "template"}', serializer_class=SERIALIZER)
    hook(serializer_class=SERIALIZER)
    hook()
    hook(Parcel)
    bus = Vehicle.objects.create(name="55")
    Parcel.objects.create(weight=1)
    template, serializer, model, default = callback_bodies()
    assert json.loads(template) == {"from": "template"}
    assert json.loads(serializer)["loud_name"] == "55"
    assert json.loads(model) == {"from": "model"}
    assert default is None
    Callback.objects.all().delete()
    emit("crashed", bus, payload={"from": "caller"})
    assert [json.loads(body) for body in callback_bodies()] == [{"from": "caller"}] * 3


@pytest.mark.parametrize(
    "options",
    [
        {"serializer_class": SERIALIZER},
        {"payload_template": '{"name": {{instance.name}}, "depot": {{instance.depot.name}}}'},
        {},
    ],
    ids=["serializer", "template", "model"],
)
@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_payload_is_made_of_what_was_saved_and_not_of_what_an_object_holds_beside_it(
    options: dict[str, Any], using: str, says: Any
) -> None:
    def static(bus: Vehicle) -> dict[str, Any]:
        return {"name": bus.name, "seats": bus.seats + 0, "depot": bus.depot and bus.depot.name}

    says(static=static)
    north, south = (Depot.objects.using(using).create(name=name) for name in ("North", "South"))
    bus = Vehicle.objects.using(using).create(name="55", depot=north)
    hook(**options)
    bus.name, bus.depot, bus.price = "unsaved", south, "no price"
    bus.seats = F("seats") + 1
    bus.save(update_fields=["seats"])
    body = json.loads(callback_bodies(using)[-1] or "")
    depot = body["depot"]["name"] if isinstance(body["depot"], dict) else body["depot"]
    assert (body["name"], body.get("seats", 1), depot) == ("55", 1, "North")
    assert (bus.name, bus.depot) == ("unsaved", south), "the object itself stays as it is"


@pytest.mark.django_db
def test_the_static_payload_is_asked_for_once_an_event_and_the_dynamic_one_once_a_hook(says: Any) -> None:
    asked: list[str] = []

    def static(self: Vehicle) -> dict[str, Any]:
        asked.append("static")
        return {"name": self.name, "over": "static"}

    def dynamic(self: Vehicle, one: Hook) -> dict[str, Any]:
        asked.append("dynamic")
        return {"hook": one.pk, "action": one.action, "over": "dynamic"}

    says(static=static, dynamic=dynamic)
    hooks = [hook() for _ in range(10)]
    Vehicle.objects.create(name="55")
    assert (asked.count("static"), asked.count("dynamic")) == (1, 10)
    assert [json.loads(body) for body in callback_bodies()] == [
        {"name": "55", "hook": one.pk, "action": "created", "over": "dynamic"} for one in hooks
    ]
    Vehicle.objects.get().save()
    assert asked.count("static") == 2
    assert json.loads(callback_bodies()[-1])["action"] == "updated"


@pytest.mark.django_db
def test_the_action_of_a_hook_is_not_shared_between_threads(says: Any) -> None:
    one = hook()
    seen: list[Hook] = []
    says(dynamic=lambda self, given: seen.append(given) or {})
    Vehicle.objects.create(name="55")
    assert seen[0].pk == one.pk
    assert seen[0].action == "created"
    assert Hook.action == ""
    assert one.action == ""


@pytest.mark.parametrize("kind", ["static", "dynamic"])
@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_method_that_raises_is_an_error_of_the_callback_and_nothing_else_is_sent(
    kind: str, using: str, receiver: Receiver, says: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("broken on purpose")

    says(**{kind: broken})
    first, second = (hook() for _ in range(2))
    Hook.objects.update(target_url=receiver.url)
    with caplog.at_level(logging.ERROR, "heliostat.webhooks"):
        Vehicle.objects.using(using).create(name="55")
    assert problems(using) == ["ZeroDivisionError: broken on purpose"] * 2
    for one, record in zip((first, second), caplog.records, strict=True):
        event = Callback.objects.using(using).get(subscriber=one.subscriber).event_id
        assert f"hook {one.pk}:" in record.getMessage()
        assert str(event) in record.getMessage()
        assert record.exc_info is not None
    assert Vehicle.objects.using(using).count() == 1
    assert drain_outbox(using) == {}
    assert receiver.deliveries == []


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_query_that_fails_in_a_method_does_not_break_the_visitor_s_transaction(using: str, says: Any) -> None:
    def broken(self: Vehicle, one: Hook) -> None:
        Depot.objects.using(using).create(name="half done")
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM example_vehicle")

    says(dynamic=broken)
    hook()
    bus = Vehicle.objects.using(using).create(name="55")
    bus.name = "56"
    bus.save()
    assert Vehicle.objects.using(using).get().name == "56"
    assert len(problems(using)) == 2
    assert all("no_such_column" in problem for problem in problems(using))
    assert not Depot.objects.using(using).exists()


@pytest.mark.django_db(transaction=True, databases="__all__")
def test_a_query_that_fails_unseen_in_a_method_does_not_break_it_either(using: str, says: Any) -> None:
    def sloppy(self: Vehicle, one: Hook) -> dict[str, Any]:
        try:
            with connections[using].cursor() as cursor:
                cursor.execute("SELECT no_such_column FROM example_vehicle")
        except Exception:
            return {"sloppy": True}

    says(dynamic=sloppy)
    hook()
    Vehicle.objects.using(using).create(name="55")
    assert Vehicle.objects.using(using).count() == 1
    assert callback_bodies(using) == ['{"sloppy":true}']


@pytest.mark.django_db
def test_a_method_that_saves_its_own_object_ends(says: Any, caplog: pytest.LogCaptureFixture) -> None:
    def saving(self: Vehicle, one: Hook) -> dict[str, Any]:
        self.save()
        return {}

    says(dynamic=saving)
    hook()
    Vehicle.objects.create(name="55")
    assert Vehicle.objects.count() == 1
    assert "HELIOSTAT_MAX_DEPTH" in caplog.text


@pytest.mark.django_db
def test_ten_dynamic_payloads_without_queries_cost_as_many_statements_as_one(
    says: Any, django_assert_max_num_queries: Any
) -> None:
    says(static=lambda self: {"name": self.name}, dynamic=lambda self, one: {"hook": one.pk})
    counts = []
    for hooks in (1, 9):
        for _ in range(hooks):
            hook()
        Vehicle.objects.create(name="warm")
        with django_assert_max_num_queries(20) as context:
            Vehicle.objects.create(name="55")
        counts.append(len(context))
    assert counts[0] == counts[1]


@pytest.mark.django_db
def test_what_is_no_json_from_a_method_is_an_error_of_the_callback(says: Any) -> None:
    says(static=lambda self: {"thread": threading.Lock()})
    hook()
    Vehicle.objects.create(name="55")
    (problem,) = problems()
    assert "it holds a lock" in problem


@pytest.mark.django_db(transaction=True)
def test_a_project_may_want_exceptions_raised(says: Any, settings: Any) -> None:
    settings.DJANGO_HTTP_HOOKS_RAISE_EXCEPTIONS = True
    says(static=lambda self: 1 / 0)
    hook()
    with pytest.raises(ZeroDivisionError):
        Vehicle.objects.create(name="55")
    assert not Vehicle.objects.exists()
    assert not Callback.objects.exists()


@pytest.mark.django_db
def test_nothing_is_notified_while_webhooks_are_shut_down(settings: Any) -> None:
    settings.DJANGO_HTTP_HOOKS_SHUT_DOWN = True
    hook()
    bus = Vehicle.objects.create(name="55")
    of_one = Hook.objects.create(content_object=bus, target="https://receiver.example.com/")
    bus.delete()
    assert callback_bodies() == []
    of_one.refresh_from_db()
    assert of_one.ended  # a hook of an object ends with it all the same
    settings.DJANGO_HTTP_HOOKS_SHUT_DOWN = False
    Vehicle.objects.create(name="56")
    assert len(callback_bodies()) == 1


def test_settings_of_the_documents_are_checked(settings: Any) -> None:
    from django.core.checks import run_checks

    settings.DJANGO_HTTP_HOOKS_RELOAD = ["touch", "wsgi.py"]
    assert run_checks(databases=[]) == []
    settings.DJANGO_HTTP_HOOKS_SHUT_DOWN = "no"
    (message,) = run_checks(databases=[])
    assert "DJANGO_HTTP_HOOKS_SHUT_DOWN must be True or False" in message.msg


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tests.example.serializers.Missing", "cannot be imported"),
        ("no.such.Serializer", "cannot be imported"),
        ("nothing", "cannot be imported"),
        ("tests.example.serializers.NOT_A_CLASS", "is no serializer"),
        ("tests.example.models.Vehicle", "is no serializer"),
        ("tests.example.serializers.NeedsArguments", "without arguments"),
    ],
)
@pytest.mark.django_db
def test_what_is_no_serializer_is_refused(path: str, words: str) -> None:
    with pytest.raises(InvalidPayloadError, match=words):
        hook(serializer_class=path)


@pytest.mark.django_db
def test_a_serializer_that_raises_is_an_error_of_the_callback(caplog: pytest.LogCaptureFixture) -> None:
    hook(Parcel, serializer_class="tests.example.serializers.BrokenSerializer")
    Parcel.objects.create(weight=1)
    (problem,) = problems()
    assert "broken on purpose" in problem
    assert "broken on purpose" in caplog.text


@pytest.mark.django_db
def test_a_serializer_writes_what_it_says_without_secrets_of_related_objects() -> None:
    hook(serializer_class=SERIALIZER)
    depot = Depot.objects.create(name="North")
    bus = Vehicle.objects.create(name="o'b", depot=depot, price="1.50")
    assert json.loads(callback_bodies()[0]) == {
        "id": bus.pk, "name": "o'b", "price": "1.50", "depot": {"id": depot.pk, "name": "North"}, "loud_name": "O'B",
    }  # fmt: skip


@pytest.mark.parametrize("way", ["default", "serializer", "static", "dynamic"])
@pytest.mark.django_db(transaction=True)
def test_the_password_hash_is_in_no_payload(way: str, says: Any, receiver: Receiver) -> None:
    user_model = get_user_model()
    if way == "serializer":
        hook(user_model, serializer_class="tests.example.serializers.UserSerializer")
    else:
        hook(user_model)
    if way in ("static", "dynamic"):
        says(user_model, **{way: lambda self, *_: model_to_dict(self)})
    Hook.objects.update(target_url=receiver.url)
    user = user_model.objects.create_user("ada", password="secret")
    drain_outbox()
    (delivery,) = receiver.deliveries
    assert "ada" in delivery.body.decode()
    assert user.password not in delivery.body.decode()
    assert "password" not in delivery.body.decode()


@pytest.mark.django_db
def test_a_text_is_sent_as_it_is_where_the_content_type_is_not_json(says: Any) -> None:
    says(static=lambda self: f"{self.name} & co\x00")
    hook(content_type="text/plain")
    hook()
    Vehicle.objects.create(name="O'B")
    assert callback_bodies() == ["O'B & co\ufffd", '"O\'B & co\\u0000"']


@pytest.mark.django_db
def test_values_that_projects_have_are_written_as_what_they_mean(says: Any) -> None:
    values = {
        "safe": mark_safe("<b>"), "link": Hyperlink("http://x/", "x"), "read_only": MappingProxyType({"a": 1}),
        "lazy": gettext_lazy("yes"),
    }  # fmt: skip
    says(static=lambda self: {**values, "photo": self.photo, "depot": self.depot})
    hook()
    depot = Depot.objects.create(name="North")
    Vehicle.objects.create(name="55", photo="x.png", depot=depot)
    assert json.loads(callback_bodies()[0]) == {
        "safe": "<b>", "link": "http://x/", "read_only": {"a": 1}, "lazy": "yes", "photo": "x.png", "depot": depot.pk,
    }  # fmt: skip


@pytest.mark.django_db
def test_a_template_that_was_broken_past_all_validation_is_an_error_of_the_callback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hook()
    Hook.objects.update(payload_template='{"a": ')
    Vehicle.objects.create(name="55")
    (problem,) = problems()
    assert "line 1, column 7" in problem
    assert "line 1, column 7" in caplog.text


@pytest.mark.django_db
def test_hook_event_publishes_what_emit_publishes() -> None:
    hook(signals=["crashed"])
    bus = Vehicle.objects.create(name="55")
    hook_event.send(sender=Vehicle, instance=bus, action="crashed", payload={})
    hook_event.send(sender=Vehicle, instance=bus, action="crashed")
    assert callback_bodies() == ["{}", None]
    assert {callback.event.action for callback in Callback.objects.all()} == {"crashed"}


WITHOUT_A_SERIALIZER = """
import sys
import django
from django.conf import settings
of_the_api = ("rest_framework", "drf_spectacular", "heliostat.api")
settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if not app.startswith(of_the_api)]
django.setup()
from django.contrib import admin
import heliostat.webhooks.api, heliostat.webhooks.payloads, heliostat.webhooks.admin
print("rest_framework" in sys.modules)
"""


def test_the_rest_framework_is_imported_only_where_a_hook_has_a_serializer() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_A_SERIALIZER], check=False, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "False", done.stderr


@pytest.mark.django_db
def test_the_models_and_the_migration_agree() -> None:
    call_command("makemigrations", "heliostat_webhooks", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
def test_the_admin_refuses_a_bad_template_on_the_form_and_keeps_a_good_one(admin_client: Any) -> None:
    address = "/admin/heliostat_webhooks/hook/add/"
    create_signal("tests.example.signals.broken_down")
    page = admin_client.get(address).content.decode()
    assert "instance.depot.name" in page
    assert "django.db.models.signals.m2m_changed" in page
    assert "tests.example.signals.broken_down" in page
    values = {
        "signals": '["weather.*"]', "target_url": "https://receiver.example.com/", "http_method": "POST",
        "content_type": "application/json", "enabled": "on", "signature": "v1",
    }  # fmt: skip
    refused = admin_client.post(address, {**values, "payload_template": '{"a": }'})
    assert refused.status_code == 200
    assert "line 1, column 7" in refused.content.decode()
    assert not Hook.objects.exists()
    kept = admin_client.post(address, {**values, "payload_template": '{"a": {{event_type}}}'})
    assert kept.status_code == 302
    assert Hook.objects.get().payload_template == '{"a": {{event_type}}}'


def test_errors_of_payloads_are_validation_errors() -> None:
    assert issubclass(InvalidPayloadError, ValidationError)
