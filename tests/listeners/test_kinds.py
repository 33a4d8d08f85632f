"""A section of `EVENT_LISTENERS` may build a subscriber of another kind: durable, with the same filters."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.checks import run_checks

from heliostat.events.matching import registry
from heliostat.listeners.source import built
from heliostat.outbox.models import Callback
from heliostat.outbox.models import Event as EventRow
from heliostat.testing import drain_outbox
from tests.example.models import Depot, Vehicle
from tests.listeners.echo import heard
from tests.listeners.test_listeners import ECHO

pytestmark = pytest.mark.django_db(transaction=True)
MAILBOX = {"use": "tests.listeners.kinds", "address": "north", "resources": "depot"}


def test_a_subscriber_of_another_kind_has_callbacks_under_the_name_of_its_kind(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"post": MAILBOX}
    Depot.objects.create(name="North")
    Vehicle.objects.create(name="55")
    assert list(Callback.objects.values_list("subscriber", "ordering_key")) == [("mailbox:post", None)]


def test_what_delivers_to_it_later_reads_the_address_of_the_object(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"post": MAILBOX}
    depot = Depot.objects.create(name="North")
    assert f'"uri":"/example/depot/{depot.pk}"' in EventRow.objects.get().context


def test_it_is_found_by_name_in_a_process_that_has_published_nothing(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"post": MAILBOX}
    registry.settings_changed()
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(built, ["mailbox:post"] * 8))
    assert {one.listener.address for one in found if one} == {"north"}
    assert len({id(one) for one in found}) == 1
    assert built("mailbox:other") is None


def test_ordered_keeps_the_events_of_each_object_in_order(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"post": {**MAILBOX, "ordered": "true"}}
    depot = Depot.objects.create(name="North")
    assert Callback.objects.get().ordering_key == f"example.depot:{depot.pk}"


def test_a_durable_listener_may_be_ordered_too(settings: Any) -> None:
    heard.clear()
    settings.EVENT_LISTENERS = {"echo": {**ECHO, "when": "durable", "ordered": True, "resources": "depot"}}
    depot = Depot.objects.create(name="North")
    assert Callback.objects.get().ordering_key == f"example.depot:{depot.pk}"
    assert drain_outbox() == {"sent": 1}
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({**MAILBOX, "when": "after_commit"}, "a mailbox is always durable"),
        ({**ECHO, "ordered": True}, "`ordered` is for durable subscribers"),
        ({**MAILBOX, "ordered": "perhaps"}, "'perhaps' is neither true nor false"),
    ],
)
def test_what_such_a_subscriber_cannot_be_is_a_system_check(settings: Any, options: Any, words: str) -> None:
    settings.EVENT_LISTENERS = {"bad": options}
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E020"
    assert words in message.msg
