"""Bodies that cannot be sent, or are too large; what is refused, and where that is said."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from heliostat import emit
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.models import Callback, Status
from heliostat.testing import Answer, Delivery, Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle
from tests.faults.servers import hook_to

pytestmark = pytest.mark.django_db(transaction=True)


def nested() -> list[Any]:
    outer: list[Any] = []
    for _ in range(100_000):
        outer = [outer]
    return outer


def circular() -> dict[str, Any]:
    payload: dict[str, Any] = {}
    payload["self"] = payload
    return payload


@pytest.mark.parametrize(
    "payload",
    [object(), {"a": [object()]}, {(1, 2): 3}, {None: 1}, "\ud800", {"\ud800": 1}, 10**5000, nested(), circular()],
    ids=["object", "object deep inside", "tuple as key", "None as key", "half a character", "half a key", "huge number",
         "nested", "circular"],
)  # fmt: skip
def test_a_payload_that_is_no_json_is_a_callback_in_error_that_names_the_event(payload: Any) -> None:
    Hook.objects.create(signals=["weather.*"], target="https://example.com/")
    emit("weather.station.storm", payload=payload)
    callback = Callback.objects.get()
    assert callback.status == Status.ERROR
    assert "weather.station.storm cannot be written as JSON" in callback.status_details


def test_numbers_that_json_lacks_and_text_that_is_none_arrive(receiver: Receiver) -> None:
    Hook.objects.create(signals=["weather.*"], target=receiver.url)
    emit("weather.station.storm", payload={"nan": float("nan"), "nul": "a\0b", "bytes": b"\xff"})
    drain_outbox()
    assert receiver.deliveries[0].json == {"nan": None, "nul": "a\0b", "bytes": "/w=="}


@pytest.mark.parametrize("name", ["weather.sta\0tion.storm", "weather.\ud800.storm", "weather.station.st\norm"])
def test_the_name_of_an_event_can_be_printed(name: str) -> None:
    with pytest.raises(ConfigurationError, match="printable"):
        emit(name)


def test_a_body_beyond_the_limit_is_a_callback_in_error_that_says_what_to_do(settings: Any) -> None:
    settings.HELIOSTAT_BODY_LIMIT = 10_000
    hook_to("https://example.com/")
    Vehicle.objects.create(name="x", plan={"notes": "ü" * 5_000})
    callback = Callback.objects.get()
    assert callback.status == Status.ERROR
    assert callback.status_details.startswith("example.vehicle.created has a body of ")
    assert "HELIOSTAT_BODY_LIMIT allows 10,000" in callback.status_details
    Vehicle.objects.create(name="x", plan={"notes": "x" * 5_000})
    assert Callback.objects.latest("id").status == Status.WAITING


def test_a_template_that_blows_a_body_up_is_bounded_too(settings: Any) -> None:
    settings.HELIOSTAT_BODY_LIMIT = 10_000
    hook = hook_to("https://example.com/")
    hook.payload_template = '["{{instance.plan}}"' + ', "{{instance.plan}}"' * 9 + "]"
    hook.save()
    Vehicle.objects.create(name="x", plan={"notes": "x" * 2_000})
    callback = Callback.objects.get()
    assert callback.status == Status.ERROR
    assert f"example.vehicle.created for {hook.subscriber} has a body of" in callback.status_details


def test_a_large_body_arrives_whole(receiver: Receiver) -> None:
    hook_to(receiver.url)
    Vehicle.objects.create(name="x", plan={"notes": "x" * 3_000_000})
    assert drain_outbox() == {"sent": 1}
    assert len(receiver.deliveries[0].json["object_serialization"]["plan"]["notes"]) == 3_000_000


def test_a_receiver_that_changes_the_same_object_waits_for_nothing_and_gets_that_event_too() -> None:
    """It calls back while it is being notified: no transaction is held open that it could wait for."""

    def call_back(delivery: Delivery) -> Answer:
        if delivery.number < 5:
            Vehicle.objects.get().save()
            connection.close()  # this thread ends unseen
        return Answer()

    with Receiver(answers=call_back) as receiver:
        hook_to(receiver.url)
        Vehicle.objects.create(name="55")
        assert drain_outbox() == {"sent": 5}
        assert [one.json["event_type"] for one in receiver.deliveries] == ["created"] + ["updated"] * 4
