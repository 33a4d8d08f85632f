"""Document 002, "Django object hooks": allowed models, hooks on one object, payloads, custom signals, deliverers.

Only import roots differ from the document. Where its quotes do not close (`'app.Vehicle`), a comma is missing, or a
name has lost a letter (`Hook.object`), what it plainly means is written. Hooks are notified by the worker, which here
drains the outbox, until the document changes who delivers them.
"""

from __future__ import annotations

import json
import logging
import sys
import textwrap
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.checks import run_checks
from django.forms.models import model_to_dict
from tests.example.models import Depot, Vehicle
from tests.settings import reachable
from tests.webhooks.celery_worker import Project

from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.exceptions import InvalidModelError
from heliostat.webhooks.models import Hook

pytestmark = pytest.mark.django_db(transaction=True)

ALLOWED = """
HOOK_ALLOWED_MODELS = [
    'example.Vehicle'
]
"""

CREATE = """
vehicle = Vehicle.objects.get(type='bus', name='55')
Hook.objects.create(
    user=user,
    content_object=vehicle,
    target='http://www.example.com/vehicles',
)
"""

METHODS = """
def get_static_payload(self):
    # if this method exists, the payload will be fetched only once
    # and used for every hook within an event for this model
    return model_to_dict(self)

def get_dynamic_payload(self, hook):
    # if this method exists, the payload will be fetched for each
    # hook in any event for this model
    return {
        'resource_uri': 'http://foo.com/vehicles/{pk}'.format(pk=self.pk),
        'action': hook.action,
    }
"""

CRASH = """
from heliostat.webhooks.signals import hook_event

hook_event.send(sender=Vehicle, instance=bus55, action='crashed', payload={})
"""

BY_TASK = """
# in settings.py
HOOK_COLLECTION_DELIVERER = "heliostat.webhooks.deliveres.deliver_hooks_using_task"
HOOK_ELEMENT_DELIVERER = "heliostat.webhooks.deliveres.deliver_hook_using_task"
"""

BY_EVENTLET = """
HOOK_COLLECTION_DELIVERER = "heliostat.webhooks.deliveres.deliver_hooks_using_eventlet"
# HOOK_ELEMENT_DELIVERER is not used in this case
"""

BY_EVENTLET_TASK = """
HOOK_COLLECTION_DELIVERER = "heliostat.webhooks.deliveres.deliver_hooks_using_eventlet_task"
# HOOK_ELEMENT_DELIVERER is not needed in this case
"""

DELIVERERS = """
from heliostat.webhooks.deliverers.base import HooksDeliverer, HookDeliverer

class MyCollectionDeliverer(HooksDeliverer):
    def dump_payload(self, payload):
        # you may override this method to use simplejson instead of ujson
        return simplejson.dumps(payload)

    def after_deliver(self, hooks):
        # you may use this method to do some logging
        logger.info('foobar')

custom_deliver_hooks = MyCollectionDeliverer.deliver


class MyDeliverer(HookDeliverer):
    def after_deliver(self, response):
        # you may use this method to delete hooks
        if response.status_code in [404, 410]:
            Hook.objects.filter(target=response.url).delete()

custom_deliver_hook = MyDeliverer.deliver
"""


def set_as(written: str, settings: Any) -> None:
    """What the document writes into settings.py."""
    names: dict[str, Any] = {}
    exec(written, {}, names)
    for name, value in names.items():
        setattr(settings, name, value)


@pytest.fixture
def bus55(settings: Any) -> Vehicle:
    set_as(ALLOWED, settings)
    return Vehicle.objects.create(type="bus", name="55")


@pytest.fixture
def receiver_of_55(bus55: Vehicle, receiver: Receiver) -> Receiver:
    user = get_user_model().objects.create_user("ada")
    code = CREATE.replace("http://www.example.com/vehicles", receiver.url)
    exec(code, {"Vehicle": Vehicle, "Hook": Hook, "user": user})
    return receiver


def give_methods(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """What the document writes into the class."""
    written: dict[str, Any] = {"model_to_dict": model_to_dict}
    exec(textwrap.dedent(METHODS), written)
    for name in names:
        monkeypatch.setattr(Vehicle, name, written[name], raising=False)


def test_whenever_the_vehicle_is_saved_its_hook_is_notified(bus55: Vehicle, receiver_of_55: Receiver) -> None:
    Vehicle.objects.create(type="bus", name="56")
    bus55.save()
    drain_outbox()
    (delivery,) = receiver_of_55.deliveries
    assert (delivery.method, delivery.json["object_id"]) == ("POST", bus55.pk)
    assert Hook.objects.get().user.get_username() == "ada"


def test_a_model_that_is_not_allowed_cannot_be_hooked(bus55: Vehicle, receiver: Receiver) -> None:
    with pytest.raises(InvalidModelError, match="HOOK_ALLOWED_MODELS"):
        Hook.objects.create(content_object=Depot.objects.create(name="North"), target=receiver.url)


def test_the_static_payload_is_what_is_sent(
    bus55: Vehicle, receiver_of_55: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_methods(monkeypatch, "get_static_payload")
    bus55.save()
    drain_outbox()
    (delivery,) = receiver_of_55.deliveries
    assert (delivery.json["name"], delivery.json["type"], delivery.json["tags"]) == ("55", "bus", [])
    assert "api_token" not in delivery.json


def test_the_dynamic_payload_knows_the_action_of_the_hook(
    bus55: Vehicle, receiver_of_55: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_methods(monkeypatch, "get_dynamic_payload")
    key = bus55.pk
    bus55.save()
    bus55.delete()
    drain_outbox()
    sent = sorted((delivery.json for delivery in receiver_of_55.deliveries), key=lambda body: body["action"])
    assert sent == [
        {"resource_uri": f"http://foo.com/vehicles/{key}", "action": "deleted"},
        {"resource_uri": f"http://foo.com/vehicles/{key}", "action": "updated"},
    ]


def test_a_model_with_both_methods_as_in_the_document(
    bus55: Vehicle, receiver_of_55: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_methods(monkeypatch, "get_static_payload", "get_dynamic_payload")
    bus55.save()
    drain_outbox()
    (delivery,) = receiver_of_55.deliveries
    assert (delivery.json["name"], delivery.json["action"]) == ("55", "updated")


def test_a_custom_signal_sends_its_own_payload(bus55: Vehicle, receiver_of_55: Receiver) -> None:
    exec(CRASH, {"Vehicle": Vehicle, "bus55": bus55})
    drain_outbox()
    (delivery,) = receiver_of_55.deliveries
    assert delivery.json == {}


@pytest.mark.parametrize("written", [BY_TASK, BY_EVENTLET_TASK])
def test_celery_tasks_notify_the_hooks(bus55: Vehicle, receiver_of_55: Receiver, settings: Any, written: str) -> None:
    if not reachable(6379) and not settings.IN_CI:
        pytest.skip("no Redis at 127.0.0.1:6379")
    set_as(written, settings)
    project = Project("redis://127.0.0.1:6379/9")
    try:
        with project.worker():
            bus55.save()
            (delivery,) = receiver_of_55.wait_for(1, timeout=60)
            assert delivery.json["object_id"] == bus55.pk
            wait_until_sent()
    finally:
        project.delete_queue()
        project.app.close()


def test_what_the_document_does_with_eventlet_is_done_with_asyncio(
    bus55: Vehicle, receiver_of_55: Receiver, settings: Any
) -> None:
    set_as(BY_EVENTLET, settings)
    bus55.save()
    receiver_of_55.wait_for(1, timeout=30)
    wait_until_sent()


def wait_until_sent() -> None:
    deadline = time.monotonic() + 30
    while Callback.objects.get().status != "sent":
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def dumps(monkeypatch: pytest.MonkeyPatch, settings: Any) -> list[Any]:
    """The document's deliverers in a module of the project, and what its `simplejson` was given."""
    dumped: list[Any] = []
    simplejson = SimpleNamespace(dumps=lambda payload: dumped.append(payload) or json.dumps(payload, indent=4))
    module = ModuleType("project_deliverers")
    vars(module).update(simplejson=simplejson, logger=logging.getLogger("project"), Hook=Hook)
    exec(DELIVERERS, vars(module))
    monkeypatch.setitem(sys.modules, "project_deliverers", module)
    settings.HOOK_COLLECTION_DELIVERER = "project_deliverers.custom_deliver_hooks"
    settings.HOOK_ELEMENT_DELIVERER = "project_deliverers.custom_deliver_hook"
    assert run_checks(databases=[]) == []
    return dumped


def test_deliverers_of_the_project_dump_log_and_send_when_the_vehicle_was_saved(
    bus55: Vehicle, receiver_of_55: Receiver, dumps: list[Any], caplog: Any
) -> None:
    with caplog.at_level("INFO", logger="project"):
        bus55.save()
    (delivery,) = receiver_of_55.deliveries
    assert dumps == [delivery.json]
    assert delivery.body == json.dumps(delivery.json, indent=4).encode()
    assert "foobar" in caplog.text


@pytest.mark.parametrize("status", [404, 410])
def test_a_deliverer_of_the_project_deletes_hooks_that_nobody_receives(
    bus55: Vehicle, receiver_of_55: Receiver, dumps: list[Any], status: int
) -> None:
    receiver_of_55.answers = [200, status]
    bus55.save()
    assert Hook.objects.exists()
    bus55.save()
    assert not Hook.objects.exists()
    bus55.save()
    assert len(receiver_of_55.deliveries) == 2
