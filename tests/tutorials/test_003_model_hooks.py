"""Document 003, webhooks on a model and its signals: `create_hook`, `create_signal`, templates, serializers, settings.

Only import roots differ from the document, and the address is a receiver on this machine.
"""

from __future__ import annotations

import textwrap
from datetime import timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.db import IntegrityError
from django.utils import timezone
from tests.delivery.commands import run
from tests.example.models import Depot, Tag, Vehicle
from tests.example.signals import broken_down
from tests.webhooks.admin.hook_form import typed

from heliostat.conf import conf
from heliostat.outbox.models import Callback
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.exceptions import InvalidHeadersError, InvalidPayloadError, InvalidSignalError
from heliostat.webhooks.models import Hook, Signal

pytestmark = pytest.mark.django_db(transaction=True)

ADD = """
        from heliostat.webhooks.api import create_hook, create_signal

        hook = create_hook(signals=['django.db.models.signals.post_save'],
                           model='user',
                           target_url='http://127.0.0.1:8080',
                           http_method='POST',
                           content_type='application/json',
                           headers='{"test-token": "12345"}',
                           name='<Hook name>'
                        )

        signal = create_signal(signal='django.db.models.signals.post_delete')
"""

HEADERS = """
              api-key: 12345
              Content-Length: 256
"""

TEMPLATE = """
            {"instance_id": {{instance.id}}, "event_type": "{{event_type}}", "instance_name": "{{instance.name}}",
             "nested_attribute": "{{instance.depot.name}}"}
"""


def add(receiver: Receiver) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(textwrap.dedent(ADD).replace("http://127.0.0.1:8080", receiver.url), names)
    return names


def test_hooks_and_signals_are_added_as_in_the_document(receiver: Receiver) -> None:
    names = add(receiver)
    hook = Hook.objects.get()
    assert hook == names["hook"]
    assert (hook.name, hook.model.model_class()) == ("<Hook name>", get_user_model())
    assert hook.signals == ["django.db.models.signals.post_save"]
    assert Signal.objects.get(name="django.db.models.signals.post_delete") == names["signal"]


def test_the_default_payload_says_what_happened_and_holds_no_password_hash(receiver: Receiver) -> None:
    add(receiver)
    user = get_user_model().objects.create_user("ada", email="ada@example.com", password="secret")
    (callback,) = Callback.objects.all()
    assert callback.status == "waiting"
    assert drain_outbox() == {"sent": 1}
    callback.refresh_from_db()
    assert (callback.status, callback.status_details) == ("sent", "200 OK")
    (delivery,) = receiver.deliveries
    assert (delivery.method, delivery.headers["content-type"]) == ("POST", "application/json")
    assert delivery.headers["test-token"] == "12345"
    assert (delivery.json["object_type"], delivery.json["object_id"]) == ("auth.user", user.pk)
    assert delivery.json["event_type"] == "created"
    assert delivery.json["object_serialization"]["email"] == "ada@example.com"
    assert user.password not in delivery.body.decode()


def test_the_headers_of_the_document_are_sent(receiver: Receiver) -> None:
    create_hook(model="vehicle", target_url=receiver.url, headers=HEADERS)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 1}
    (delivery,) = receiver.deliveries
    assert delivery.headers["api-key"] == "12345"
    assert delivery.headers["content-length"] == str(len(delivery.body))


def test_the_template_of_the_document_is_filled_in(receiver: Receiver) -> None:
    create_hook(model="vehicle", target_url=receiver.url, payload_template=TEMPLATE)
    bus = Vehicle.objects.create(name="O'B", depot=Depot.objects.create(name='"North"'))
    drain_outbox()
    (delivery,) = receiver.deliveries
    assert delivery.json == {
        "instance_id": bus.pk,
        "event_type": "created",
        "instance_name": "O'B",
        "nested_attribute": '"North"',
    }


def test_a_serializer_is_used_and_ignored_beside_a_template(receiver: Receiver) -> None:
    serializer = "tests.example.serializers.VehicleSerializer"
    create_hook(model="vehicle", target_url=receiver.url, serializer_class=serializer)
    create_hook(model="vehicle", target_url=receiver.url, serializer_class=serializer, payload_template='{"a": 1}')
    Vehicle.objects.create(name="55")
    drain_outbox()
    assert sorted(len(delivery.json) for delivery in receiver.deliveries) == [1, 5]


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("signals", ["django.db.models.signals.no_such_signal"], InvalidSignalError),
        ("headers", "api-key 12345", InvalidHeadersError),
        ("payload_template", '{"instance_id": {{instance.id}', InvalidPayloadError),
        ("serializer_class", "rest_framework.serializers.Missing", InvalidPayloadError),
    ],
)
def test_what_is_invalid_raises_the_exception_of_the_document(field: str, value: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        create_hook(**{"model": "vehicle", "target_url": "https://example.com/", field: value})
    model = ContentType.objects.get_for_model(Vehicle)
    with pytest.raises(error):
        Hook.objects.create(**{"model": model, "target_url": "https://example.com/", field: value})
    assert not Hook.objects.exists()


def test_the_settings_of_the_document_are_understood(receiver: Receiver, settings: Any) -> None:
    settings.DJANGO_HTTP_HOOKS_RELOAD = ["touch", "demo_project/wsgi.py"]
    settings.DJANGO_HTTP_HOOKS_RAISE_EXCEPTIONS = False
    settings.DJANGO_HTTP_HOOKS_SHUT_DOWN = True
    assert run_checks(databases=[]) == []
    add(receiver)
    get_user_model().objects.create_user("ada")
    assert not Callback.objects.exists()


def test_a_hook_can_be_added_and_changed_on_the_admin_page(receiver: Receiver, admin_client: Any) -> None:
    address = "/admin/heliostat_webhooks/hook/add/"
    fields = typed(
        name="depots", target_url=receiver.url, headers="test-token: 12345", payload_template='{"id": {{instance.id}}}'
    )
    assert admin_client.post(address, fields).status_code == 302
    hook = Hook.objects.get(name="depots")
    bus = Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 1}
    assert receiver.deliveries[0].json == {"id": bus.pk}
    wrong = admin_client.post(f"/admin/heliostat_webhooks/hook/{hook.pk}/change/", {**fields, "headers": "no colon"})
    assert "Line 1 of the headers has no colon" in wrong.content.decode()


@pytest.mark.parametrize(
    ("signal", "notified"),
    [
        ("post_save", ["created", "updated"]),
        ("post_delete", ["deleted"]),
        ("pre_save", ["created", "updated"]),
        ("pre_delete", ["deleted"]),
        ("m2m_changed", ["updated"]),
    ],
)
def test_django_s_signals_are_published_each_change_once(signal: str, notified: list[str], receiver: Receiver) -> None:
    create_hook(model="vehicle", signals=[f"django.db.models.signals.{signal}"], target_url=receiver.url)
    bus = Vehicle.objects.create(name="55")
    bus.name = "56"
    bus.save()
    if signal == "m2m_changed":
        bus.tags.add(Tag.objects.create(word="old"))
        assert '"changes":{"tags":' in Callback.objects.get().event.body
    bus.delete()
    drain_outbox()
    assert sorted(delivery.json["event_type"] for delivery in receiver.deliveries) == notified


def test_what_is_announced_but_fails_is_notified_to_nobody(receiver: Receiver) -> None:
    create_hook(model="example.tag", signals=["django.db.models.signals.pre_save"], target_url=receiver.url)
    Tag.objects.create(word="old")
    with pytest.raises(IntegrityError):
        Tag.objects.create(word="old")
    assert Callback.objects.count() == 1


def test_a_custom_signal_brings_its_own_arguments(receiver: Receiver) -> None:
    template = '{"bus": "{{instance.name}}", "what": "{{event_type}}", "part": "{{part}}", "mechanic": {{mechanic}}}'
    signal = "tests.example.signals.broken_down"
    create_hook(model="vehicle", signals=[signal], target_url=receiver.url, payload_template=template)
    bus = Vehicle.objects.create(name="55")
    broken_down.send(sender=Vehicle, instance=bus, part='"engine"')
    drain_outbox()
    (delivery,) = receiver.deliveries
    assert delivery.json == {"bus": "55", "what": "broken_down", "part": '"engine"', "mechanic": None}


def test_callbacks_are_sent_watched_and_deleted_by_the_commands_of_the_document(receiver: Receiver) -> None:
    receiver.answers = lambda delivery: Answer(500 if delivery.path == "/broken" else 200)
    one = create_hook(model="vehicle", target_url=receiver.url)
    broken = create_hook(model="vehicle", target_url=receiver.url + "broken")
    for name in "abc":
        Vehicle.objects.create(name=name)
    assert Callback.objects.filter(status="waiting").count() == 6
    assert run("monitor_callbacks", "--status", "waiting", "--callbacks_limit", 5, "--minutes_ago", 10).code == 1
    assert run("monitor_callbacks", "--status", "error", "--callbacks_limit", 50, "--minutes_ago", 10).code == 0
    ids = Callback.objects.filter(subscriber=one.subscriber).order_by("pk").values_list("pk", flat=True)
    assert run("send_callbacks", "--callback", *ids[:2]).code == 0
    assert len(receiver.deliveries) == 2
    assert run("send_callbacks", "--hook_id", one.pk).code == 0
    assert set(Callback.objects.filter(subscriber=one.subscriber).values_list("status", "status_details")) == {
        ("sent", "200 OK")
    }
    with conf.override(max_attempts=1):
        assert run("send_callbacks").code == 1
    failed = Callback.objects.filter(subscriber=broken.subscriber)
    assert {(each.status, each.status_details[:3]) for each in failed} == {("error", "500")}
    assert run("monitor_callbacks", "--status", "error", "--callbacks_limit", 2).code == 1
    assert run("monitor_callbacks", "--status", "error").code == 0  # ten are well
    Callback.objects.filter(pk=ids[0]).update(created_at=timezone.now() - timedelta(days=31))
    assert run("delete_old_callbacks", 30).code == 0
    assert Callback.objects.count() == 5


def test_a_payload_template_may_be_xml_or_any_other_text(receiver: Receiver) -> None:
    for content_type, template in (
        ("application/xml", '<bus name="{{instance.name}}">{{instance.name}}</bus>'),
        ("text/plain", "{{instance.name}} is {{event_type}}"),
    ):
        create_hook(
            model="vehicle", target_url=receiver.url, content_type=content_type, payload_template=template, name="x"
        )
    Vehicle.objects.create(name="O'B <&>")
    drain_outbox()
    bodies = {one.headers["content-type"]: one.body.decode() for one in receiver.deliveries}
    assert bodies["text/plain"] == "O'B <&> is created"
    bus = ElementTree.fromstring(bodies["application/xml"])
    assert (bus.text, bus.get("name")) == ("O'B <&>", "O'B <&>")


def test_hooks_and_signals_are_on_the_admin_page(receiver: Receiver, admin_client: Any) -> None:
    hook = add(receiver)["hook"]
    for page in (f"hook/{hook.pk}/change/", "hook/", "signal/"):
        assert admin_client.get(f"/admin/heliostat_webhooks/{page}").status_code == 200
