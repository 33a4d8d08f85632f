"""Listeners are built from configuration and are notified of the actions and resources that it names."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core import mail
from django.core.checks import run_checks

from heliostat import acting_as, emit
from heliostat.testing import drain_outbox
from heliostat.text import HIDDEN
from tests.example.models import Depot, Vehicle
from tests.listeners.echo import heard

pytestmark = pytest.mark.django_db(transaction=True)
ECHO = {"use": "tests.listeners.echo", "words": "one two"}


@pytest.fixture(autouse=True)
def silence() -> None:
    heard.clear()


def test_a_listener_hears_what_its_filters_let_through(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "actions": ["create"], "resources": ["vehicle"]}}
    bus = Vehicle.objects.create(name="55")
    bus.save()
    Depot.objects.create(name="North")
    ((words, event),) = heard
    assert words == ["one", "two"]
    assert event.payload["action"] == "create"
    assert event.payload["resource_name"] == "vehicle"
    assert event.payload["vehicle_id"] == str(bus.pk)
    assert event.impacted_records[0]["new"]["name"] == "55"


def test_without_filters_a_listener_hears_every_write(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": ECHO}
    depot = Depot.objects.create(name="North")
    depot.name = "South"
    depot.save()
    depot.delete()
    assert [event.payload["action"] for _, event in heard] == ["create", "update", "delete"]
    assert heard[1][1].impacted_records[0]["old"]["name"] == "North"
    assert heard[2][1].impacted_records[0]["new"]["deleted"] is True


def test_a_listener_knows_who_did_it(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "resources": "example.depot"}}
    with acting_as(get_user_model().objects.create_user("ada")):
        Depot.objects.create(name="North")
    assert heard[0][1].request.prefixed_userid == "django:ada"
    assert heard[0][1].payload["user_id"] == "django:ada"


def test_a_listener_may_ask_for_an_action_of_its_own(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "actions": "crashed", "resources": "vehicle"}}
    emit("crashed", Vehicle.objects.create(name="55"))
    assert [event.payload["action"] for _, event in heard] == ["crashed"]


def test_a_listener_of_several_resources_may_name_an_action_of_one(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "actions": "create crashed", "resources": "vehicle depot"}}
    assert run_checks(databases=[]) == []
    emit("crashed", Vehicle.objects.create(name="55"))
    assert [event.payload["action"] for _, event in heard] == ["create", "crashed"]


def test_a_durable_listener_is_notified_by_a_worker(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "when": "durable", "resources": "depot"}}
    Depot.objects.create(name="North")
    assert heard == []
    assert drain_outbox() == {"sent": 1}
    assert heard[0][1].impacted_records[0]["new"]["name"] == "North"


def test_the_e_mail_listener_writes_to_its_recipients(settings: Any) -> None:
    settings.EVENT_LISTENERS = {
        "send_email": {
            "use": "heliostat.listeners.email",
            "actions": ["create"],
            "resources": ["vehicle"],
            "recipients": "to@example.com, too@example.com",
            "from": "postmaster@localhost",
        }
    }
    Vehicle.objects.create(name="55\nBcc: everybody@example.com\u202e\x1b")
    (message,) = mail.outbox
    assert message.to == ["to@example.com", "too@example.com"]
    assert message.from_email == "postmaster@localhost"
    assert message.subject == "vehicle 55 Bcc: everybody@example.com: create"
    assert message.body.splitlines()[:2] == ["vehicle 55 Bcc: everybody@example.com: create", ""]
    assert not HIDDEN.search(message.body.replace("\n", ""))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"actions": ["create"]}, "no `use`"),
        ({"use": "no.such.module"}, "cannot be loaded"),
        ({"use": "heliostat.listeners.emial"}, "Did you mean heliostat.listeners.email?"),
        ({"use": "tests.listeners.test_listeners"}, "no load_from_config"),
        ({"use": "tests.listeners.echo"}, "'event_listeners.bad.words' is missing"),
        ({**ECHO, "resources": ["vehicel"]}, "Did you mean vehicle"),
        ({**ECHO, "when": "later"}, "in_transaction"),
        ({**ECHO, "actions": "creat"}, "there is no action 'creat'. Did you mean create"),
        ({**ECHO, "actions": ["create", "updat"], "resources": "vehicle"}, "Did you mean update"),
        ({**ECHO, "actions": "crashd", "resources": "vehicle"}, "Did you mean crashed"),
        ({**ECHO, "actions": "crashed", "resources": "depot"}, "there is no action 'crashed'"),
        ({**ECHO, "actions": "stolen"}, "HELIOSTAT_EVENT_TYPES"),
        ({**ECHO, "actions": []}, "`actions` is empty"),
        ({**ECHO, "actions": 7}, "`actions` is 7, not a list"),
        ({**ECHO, "resources": ""}, "`resources` is empty"),
        ({**ECHO, "resources": "exmaple.*"}, "No event type matches"),
        ({**ECHO, "resources": "session vehicle"}, "HELIOSTAT_SILENT names it"),
        ({**ECHO, "resources": "[x]"}, "No event type matches"),
        ({"use": "heliostat.listeners.email", "recipients": []}, "`recipients` is empty"),
        ({"use": "heliostat.listeners.email", "recipients": ["a@b.c"], "subject": "{nonsense}"}, "nonsense"),
    ],
)
def test_each_way_to_get_a_listener_wrong_is_a_system_check(settings: Any, options: Any, words: str) -> None:
    settings.EVENT_LISTENERS = {"bad": options}
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E020"
    assert words in message.msg


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [("action", "actions"), ("resurces", "resources"), ("wen", "when"), ("Actions", "actions")],
)
def test_an_option_that_is_nearly_one_of_all_listeners_is_a_warning(settings: Any, mistyped: str, meant: str) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, mistyped: ["create"]}}
    (message,) = run_checks(databases=[])
    assert (message.id, message.msg) == (
        "heliostat.W020",
        f"EVENT_LISTENERS['echo'] has {mistyped!r}. Did you mean {meant}?",
    )


def test_an_option_of_a_listener_s_own_is_no_mistake_beside_the_one_that_it_is_like(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "actions": ["create"], "action": "ring", "colour": "red"}}
    assert run_checks(databases=[]) == []


def test_a_listener_that_cannot_be_built_does_not_stop_the_others(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"bad": {"use": "no.such.module"}, "echo": {**ECHO, "resources": "depot"}}
    Depot.objects.create(name="North")
    assert len(heard) == 1
