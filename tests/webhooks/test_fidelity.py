"""What the documents' systems accept is accepted here, and means the same."""

from __future__ import annotations

from pkgutil import resolve_name
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command

from heliostat import register_event_type
from heliostat.events import types
from heliostat.moved import MOVED, hint_for
from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks import operations
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.exceptions import InvalidHeadersError, InvalidPayloadError, InvalidSignalError
from heliostat.webhooks.models import Hook
from heliostat.webhooks.signals import hook_event
from tests.delivery.commands import run
from tests.example.models import Vehicle
from tests.webhooks.admin.hook_form import ADD, form, typed

pytestmark = pytest.mark.django_db(transaction=True)


def with_secret(receiver: Receiver, hook: Hook) -> Hook:
    receiver.secrets = [hook.reveal_secret()]
    return hook


def test_hook_event_without_an_action_means_changed(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    create_hook(model="vehicle", target_url=receiver.url, filters={"not": {"actions": ["created"]}})
    bus = Vehicle.objects.create(name="55")
    hook_event.send(sender=Vehicle, instance=bus)
    hook_event.send(sender=Vehicle, instance=bus, payload={"a": 1})
    drain_outbox()
    assert {row.event.action for row in Callback.objects.all()} == {"changed"}
    assert sorted(len(delivery.json) for delivery in receiver.deliveries)[0] == 1, "its payload is sent"
    with pytest.raises(InvalidSignalError):
        create_hook(model="vehicle", target_url=receiver.url, signals=["changed"])
    monkeypatch.setattr(types, "_registered", {})
    register_event_type("example.vehicle.changed")
    assert create_hook(model="vehicle", target_url=receiver.url, signals=["changed"]).pk


@pytest.mark.parametrize("content_type", ["", None])
def test_a_template_without_a_content_type_is_any_text(receiver: Receiver, content_type: Any) -> None:
    template = 'bus "{{instance.name}}" { [ <{{event_type}}>'
    hook = create_hook(model="vehicle", target_url=receiver.url, content_type=content_type, payload_template=template)
    with_secret(receiver, hook)
    Vehicle.objects.create(name="5&5\n")
    drain_outbox()
    (delivery,) = receiver.deliveries
    assert delivery.body.decode() == 'bus "5&5\n" { [ <created>'
    assert delivery.headers["content-type"] == "text/plain; charset=utf-8"
    assert delivery.verified
    hook.payload_template = ""
    with pytest.raises(InvalidHeadersError, match="only beside a payload template"):
        hook.save()


def test_a_template_without_a_content_type_can_be_made_in_the_admin(admin_client: Any, receiver: Receiver) -> None:
    fields = typed(target_url=receiver.url, content_type="", payload_template="{{instance.name}} is here")
    assert admin_client.post(ADD, fields).status_code == 302
    wrong = form(content_type="", payload_template="")
    assert "only beside a payload template" in str(wrong.errors["content_type"])


@pytest.mark.parametrize("serializer", ["no.such.Serializer", "os.system", "tests.example.serializers.NOT_A_CLASS"])
def test_a_bad_serializer_beside_a_template_is_ignored(receiver: Receiver, serializer: str) -> None:
    hook = create_hook(
        model="vehicle", target_url=receiver.url, serializer_class=serializer, payload_template='{"a": 1}'
    )
    Vehicle.objects.create(name="55")
    drain_outbox()
    assert [delivery.json for delivery in receiver.deliveries] == [{"a": 1}]
    hook.payload_template = ""
    with pytest.raises(InvalidPayloadError):
        hook.save()


@pytest.mark.parametrize("signature", ["v1", "v1a"])
def test_get_has_no_body_and_delete_has_one_and_both_are_signed(receiver: Receiver, signature: str) -> None:
    hooks = [
        create_hook(model="vehicle", target_url=receiver.url, http_method=method, signature=signature, ordered=True)
        for method in ("POST", "GET", "DELETE", "GET", "PUT", "PATCH")
    ]
    receiver.secrets = [hook.public_key if signature == "v1a" else hook.reveal_secret() for hook in hooks]
    for name in "ab":  # handles are used again, for another method
        Vehicle.objects.create(name=name)
        assert drain_outbox() == {"sent": 6}
    assert [delivery.problem for delivery in receiver.deliveries if not delivery.verified] == []
    seen = {"POST": 0, "GET": 0, "DELETE": 0, "PUT": 0, "PATCH": 0}
    for delivery in receiver.deliveries:
        seen[delivery.method] += 1
        if delivery.method == "GET":
            assert delivery.body == b""
            assert delivery.headers["content-type"] is None
            assert delivery.headers["content-length"] is None
        else:
            assert delivery.json["event_type"] == "created"
            assert delivery.headers["content-type"] == "application/json"
    assert seen == {"POST": 2, "GET": 4, "DELETE": 2, "PUT": 2, "PATCH": 2}


def test_the_preview_of_a_get_shows_no_body(admin_client: Any, receiver: Receiver) -> None:
    Vehicle.objects.create(name="a bus of its own")
    address = "/admin/heliostat_webhooks/hook/preview/"
    for method, shown in (("GET", False), ("DELETE", True)):
        page = admin_client.post(address, typed(target_url=receiver.url, http_method=method)).content.decode()
        assert f"{method} {receiver.url}" in page
        assert ("a bus of its own" in page) is shown
        assert ("Content-Type" in page) is shown


def test_a_ping_is_sent_with_the_method_of_the_hook(receiver: Receiver) -> None:
    operations.ping(create_hook(model="vehicle", target_url=receiver.url, http_method="GET"))
    assert drain_outbox() == {"sent": 1}
    assert receiver.deliveries[0].method == "GET"


def test_create_hook_takes_its_arguments_by_position(receiver: Receiver) -> None:
    signals = ["django.db.models.signals.post_save"]
    headers = {"test-token": "12345"}
    hook = create_hook(signals, "vehicle", receiver.url, "PUT", "text/plain", headers, "mine", payload_template="x")
    assert (hook.signals, hook.model.model, hook.target_url, hook.http_method) == (
        signals, "vehicle", receiver.url, "PUT",
    )  # fmt: skip
    assert (hook.content_type, hook.headers, hook.name) == ("text/plain", '{"test-token": "12345"}', "mine")
    with pytest.raises(InvalidSignalError):
        create_hook(["dummy.signal"], "user")  # as that package's own test does


@pytest.mark.parametrize("option", ["--callback", "--callbacks"])
def test_callbacks_are_named_by_either_option(receiver: Receiver, option: str) -> None:
    create_hook(model="vehicle", target_url=receiver.url)
    for name in "abc":
        Vehicle.objects.create(name=name)
    ids = list(Callback.objects.order_by("pk").values_list("pk", flat=True))
    assert run("send_callbacks", option, *ids[:2]).code == 0
    assert len(receiver.deliveries) == 2
    call_command("send_callbacks", **{option.removeprefix("--"): [ids[2]]})
    assert len(receiver.deliveries) == 3


@pytest.mark.parametrize(
    ("template", "place"),
    [
        ('{"a": 1}{% if instance.name %}', "line 1, column 9"),
        ("x\n{% for a in b %}{{a}}{% endfor %}", "line 2, column 1"),
        ('{"a": "{% now %}"}', "line 1, column 8"),
        ("{# a comment #}", "line 1, column 1"),
        ("{% if {{instance.name}} %}", "line 1, column 1"),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
def test_a_tag_of_django_s_templates_is_an_error(template: str, place: str, content_type: str) -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        create_hook(
            model="vehicle", target_url="https://a.example/", content_type=content_type, payload_template=template
        )
    assert f"{place}: “" in caught.value.messages[0]
    assert "a tag of Django's templates" in caught.value.messages[0]


@pytest.mark.parametrize("template", ["100 {% of {{instance.name}}", "{%}", "{ % x % }", "#} {#"])
def test_what_is_no_tag_is_sent_as_it_is(template: str) -> None:
    assert create_hook(model="vehicle", target_url="https://a.example/", content_type="", payload_template=template).pk


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tom_common.hooks.target_post_save", "is heliostat.targets.hooks.target_post_save here"),
        ("tom_dataproducts.hooks.data_product_post_upload", "is heliostat.dataproducts.hooks.data_product_post_upload"),
        ("tom_observations.hooks.something", "heliostat.observations"),
        ("tests.hooks.of_tom_toolkit.simple", "look in heliostat.targets"),
    ],
)
def test_a_hook_of_tom_toolkit_gets_a_hint(settings: Any, path: str, words: str) -> None:
    settings.HOOKS = {"vehicle_too_fast": path}
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E011"
    assert words in message.msg


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("tom_alerts.brokers.mars.MARSBroker", "MARS has closed"),
        ("tom_alerts.brokers.gaia.GaiaBroker", "Gaia's alerts ended in 2025"),
        ("tom_alerts.brokers.alerce.ALeRCEBroker", "is heliostat.alerts.brokers.alerce.ALeRCEBroker here"),
        ("tom_alerts.brokers.scout.ScoutBroker", "brokers of Heliostat are in heliostat.alerts.brokers"),
        ("tom_antares.antares.ANTARESBroker", "tom_antares is a plug-in"),
        ("heliostat.alerts.brokers.alerce.ALerceBroker", "Did you mean"),
    ],
)
def test_a_broker_of_tom_toolkit_gets_a_hint(settings: Any, path: str, words: str) -> None:
    settings.TOM_ALERT_CLASSES = [path]
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.alerts.E001"
    assert words in message.hint


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("cliquet.listeners.redis", "cliquet.listeners.redis is heliostat.queues.redis here"),
        ("kinto.core.listeners.redis", "an e-mail listener is heliostat.listeners.email"),
        ("kinto_redis.listeners", "kinto_redis.listeners is heliostat.queues.redis here"),
        ("tests.listeners.of_cliquet", "ListenerBase and aslist are in heliostat.listeners"),
    ],
)
def test_a_listener_of_cliquet_or_kinto_gets_a_hint(settings: Any, path: str, words: str) -> None:
    settings.EVENT_LISTENERS = {"bad": {"use": path}}
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E020"
    assert words in message.msg


def test_every_hint_names_what_there_is() -> None:
    for old, new in MOVED.items():
        assert new in hint_for(old)
        assert resolve_name(new)
    assert hint_for("mytom.hooks.target_post_save") == hint_for(5) == ""
