"""Chat messages are durable, go by the guarded HTTP transport of webhooks, and are escaped for each service."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.checks import run_checks

from heliostat.outbox.models import Attempt, Callback, Status
from heliostat.outbox.transitions import retry_now
from heliostat.testing import Receiver, drain_outbox
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True)
CHAT = {"use": "heliostat.listeners.chat", "resources": "vehicle", "max_per_second": 1000, "text": "{name} {seats}"}
TOKEN = "123:secret-token"


def sent(receiver: Receiver) -> list[Any]:
    drain_outbox()
    return [one.json for one in receiver.deliveries]


@pytest.mark.parametrize(
    ("service", "body"),
    [
        ("slack", {"text": "&lt;!channel&gt; A&amp;B [x](y) @all 8", "mrkdwn": False}),
        ("mattermost", {"text": r"<\!channel\> A&B \[x\]\(y\) @" + "\u200ball 8"}),
        (
            "matrix",
            {
                "text": "<!channel> A&B [x](y) @\u200ball 8",
                "html": "&lt;!channel&gt; A&amp;B [x](y) @\u200ball 8",
            },
        ),
    ],
)
def test_a_name_means_nothing_to_a_service_but_itself(
    settings: Any, receiver: Receiver, service: str, body: dict[str, Any]
) -> None:
    settings.EVENT_LISTENERS = {"chat": {**CHAT, "service": service, "url": receiver.url}}
    assert run_checks(databases=[]) == []
    Vehicle.objects.create(name="<!channel> A&B\n[x](y) @all", seats=8)
    assert receiver.deliveries == []
    assert sent(receiver) == [body]
    assert receiver.deliveries[0].headers["Content-Type"] == "application/json"


def test_telegram_has_the_token_in_the_address_and_the_chat_in_the_body(settings: Any, receiver: Receiver) -> None:
    settings.EVENT_LISTENERS = {
        "chat": {**CHAT, "service": "telegram", "url": receiver.url, "token": TOKEN, "chat_id": -100}
    }
    Vehicle.objects.create(name="55", seats=8)
    assert sent(receiver) == [{"chat_id": "-100", "text": "55 8", "disable_web_page_preview": True}]
    assert receiver.deliveries[0].path.endswith(f"/bot{TOKEN}/sendMessage")


def test_the_text_is_made_when_the_event_happens_with_a_link_that_is_safe(settings: Any, receiver: Receiver) -> None:
    settings.EVENT_LISTENERS = {
        "chat": {**CHAT, "service": "slack", "url": receiver.url, "text": "{object_name} {changes} {link}"}
        | {"ordered": True}
    }
    bus = Vehicle.objects.create(name="55")
    Vehicle.objects.filter(pk=bus.pk).update(name="56")
    first, second = sent(receiver)
    link = f"http://127.0.0.1:8000/example/vehicle/{bus.pk}"
    assert (first["text"], second["text"]) == (f"55  {link}", f"56 name: 55 → 56 {link}")


def test_a_service_that_is_away_gets_the_message_later(settings: Any) -> None:
    with Receiver(answers=[503]) as receiver:
        settings.EVENT_LISTENERS = {"chat": {**CHAT, "service": "slack", "url": receiver.url}}
        Vehicle.objects.create(name="55")
        assert drain_outbox() == {"retry": 1}
        retry_now("default")
        assert drain_outbox() == {"sent": 1}
        assert len(receiver.deliveries) == 2


def test_private_addresses_are_guarded(settings: Any) -> None:
    settings.HELIOSTAT_ALLOW_NETWORKS = []
    settings.EVENT_LISTENERS = {"chat": {**CHAT, "service": "slack", "url": "http://127.0.0.1:9/"}}
    Vehicle.objects.create(name="55")
    drain_outbox()
    callback = Callback.objects.get()
    assert callback.status != Status.SENT
    assert "address refused: loopback" in callback.status_details


def test_the_address_is_shown_nowhere(settings: Any, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    with Receiver(answers=[400]) as receiver:
        settings.EVENT_LISTENERS = {
            "chat": {**CHAT, "service": "telegram", "url": receiver.url, "token": TOKEN, "chat_id": "1"}
        }
        Vehicle.objects.create(name="55")
        drain_outbox()
    rows = [*Callback.objects.values_list(), *Attempt.objects.values_list()]
    assert TOKEN not in caplog.text + str(rows)


def test_a_chat_that_is_configured_no_longer_keeps_its_messages(settings: Any) -> None:
    settings.EVENT_LISTENERS = {"chat": {**CHAT, "service": "slack", "url": "http://127.0.0.1:9/"}}
    Vehicle.objects.create(name="55")
    settings.EVENT_LISTENERS = {}
    assert drain_outbox() == {"retry": 1}


def test_a_burst_is_sent_no_faster_than_the_service_allows(settings: Any, receiver: Receiver) -> None:
    settings.EVENT_LISTENERS = {"chat": {**CHAT, "service": "slack", "url": receiver.url, "max_per_second": 5}}
    for number in range(4):
        Vehicle.objects.create(name=str(number))
    assert len(sent(receiver)) == 4
    times = [one.seen_at for one in receiver.deliveries]
    assert times[-1] - times[0] > 0.4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"service": "slak"},
            "it can be slack, mattermost, matrix, telegram. Did you mean slack?",
        ),
        ({"service": "slack"}, "`url` is no address of an incoming webhook"),
        ({"service": "slack", "url": "ftp://x/hunter2"}, "`url` is no address"),
        ({"service": "slack", "url": "https://x:y/hunter2"}, "`url` is no address"),
        ({"service": "slack", "url": "https://x/ hunter2"}, "`url` is no address"),
        ({"service": "telegram", "token": "hunter2", "chat_id": "1"}, "`token` is no token"),
        ({"service": "telegram", "token": TOKEN}, "`chat_id` is missing"),
        ({"service": "slack", "url": "https://x/", "max_per_second": "fast"}, "`max_per_second` is 'fast'"),
        ({"service": "slack", "url": "https://x/", "text": "{nmae}"}, "Did you mean name"),
        ({"service": "slack", "url": "https://x/", "when": "in_transaction"}, "a chat is always durable"),
    ],
)
def test_settings_that_cannot_work_are_a_system_check(settings: Any, options: Any, words: str) -> None:
    settings.EVENT_LISTENERS = {"bad": {**CHAT, **options}}
    (message,) = run_checks(databases=[])
    assert words in message.msg
    assert "hunter2" not in message.msg
