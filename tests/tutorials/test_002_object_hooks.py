"""Document 002, "Django object hooks": allowed models, hooks on one object, payloads and custom signals.

Only import roots differ from the document. Where its quotes do not close (`'app.Vehicle`) or a comma is missing, what
it plainly means is written. Hooks are told by the worker, which here drains the outbox.
"""

from __future__ import annotations

import textwrap
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.forms.models import model_to_dict
from tests.example.models import Depot, Vehicle

from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.exceptions import InvalidSignalError
from heliostat.webhooks.models import Hook

pytestmark = pytest.mark.django_db(transaction=True)

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


@pytest.fixture
def bus55(settings: Any) -> Vehicle:
    settings.HOOK_ALLOWED_MODELS = ["example.Vehicle"]
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


def test_whenever_the_vehicle_is_saved_its_hook_is_told(bus55: Vehicle, receiver_of_55: Receiver) -> None:
    Vehicle.objects.create(type="bus", name="56")
    bus55.save()
    drain_outbox()
    (delivery,) = receiver_of_55.deliveries
    assert (delivery.method, delivery.json["object_id"]) == ("POST", str(bus55.pk))
    assert Hook.objects.get().user.get_username() == "ada"


def test_a_model_that_is_not_allowed_cannot_be_hooked(bus55: Vehicle, receiver: Receiver) -> None:
    with pytest.raises(InvalidSignalError, match="HOOK_ALLOWED_MODELS"):
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
