"""What is configured wrongly is a clear error, and what cannot be published is given up or retried with the reason."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from django.core.checks import run_checks

from heliostat.delivery.kinds import kind_of
from heliostat.events.matching import registry
from heliostat.listeners.source import built
from heliostat.outbox import circuit_breaker, kinds, transitions
from heliostat.outbox.models import Attempt, Callback
from heliostat.outbox.models import Event as EventRow
from heliostat.queues.messages import Message
from heliostat.queues.options import Options
from heliostat.queues.redis import RedisQueue
from heliostat.testing import drain_outbox
from tests.example.models import Vehicle
from tests.queues.destinations import Destination, KafkaTopic, NatsSubject, RabbitExchange, RedisStream
from tests.queues.servers import (
    free_port,
    kafka_command,
    missing,
    need_port,
    proxy_to,
    redis_binaries,
    redis_command,
    running,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("queues")]

REDIS = {"use": "heliostat.queues.redis", "url": "redis://127.0.0.1:6379/0", "stream": "x"}
RABBIT = {"use": "heliostat.queues.rabbitmq", "url": "amqp://127.0.0.1", "exchange": "x"}
NATS = {"use": "heliostat.queues.nats", "url": "nats://127.0.0.1", "subject": "x"}
KAFKA = {"use": "heliostat.queues.kafka", "url": "kafka://127.0.0.1:9092", "topic": "x"}
PASSWORD = "hunter2"


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({**REDIS, "url": "http://127.0.0.1"}, "`url` must begin with redis:// or rediss:// or unix://"),
        ({**REDIS, "url": f"redis://me:{PASSWORD}/@h:port/"}, "`url` is no valid address"),
        ({**REDIS, "url": 7}, "`url` must be a text"),
        ({**REDIS, "url": f"redis://:{PASSWORD}@h/0?socket_timeout=x"}, "`url` cannot be used"),
        ({**REDIS, "stream": ""}, "`stream` must be a text that is not empty"),
        ({**REDIS, "list": "y"}, "give either `stream` or `list`"),
        ({**REDIS, "maxlen": "many"}, "`maxlen` must be a whole number"),
        ({**REDIS, "max_len": 10}, "there is no option 'max_len'. Did you mean maxlen?"),
        ({**REDIS, "when": "after_commit"}, "a queue is always durable"),
        ({**RABBIT, "exchange": None}, "`exchange` is missing"),
        ({**RABBIT, "mandatory": "perhaps"}, "`mandatory`: 'perhaps' is neither true nor false"),
        ({**NATS, "subject": "a.*"}, "without spaces and wildcards"),
        ({**KAFKA, "options": "acks=all"}, "`options` must be a dict"),
        ({**KAFKA, "options": {"no.such.property": 1}}, "`options` cannot be used"),
        ({**KAFKA, "options.no.such.property": "1"}, "`options` cannot be used"),
        ({**KAFKA, "url": "127.0.0.1:9092"}, "`url` must begin with kafka://"),
    ],
)
def test_a_wrong_option_is_a_system_check_that_names_it(settings: Any, section: Any, problem: str) -> None:
    settings.EVENT_LISTENERS = {"stream": section}
    messages = [one for one in run_checks(databases=[]) if one.id == "heliostat.E020"]
    assert len(messages) == 1
    assert messages[0].msg.startswith("EVENT_LISTENERS['stream']")
    assert problem in messages[0].msg
    assert PASSWORD not in messages[0].msg


@pytest.mark.parametrize("section", [REDIS, RABBIT, NATS, {**KAFKA, "options.compression.type": "lz4"}])
def test_options_may_be_texts_as_in_an_ini_file(settings: Any, tmp_path: Path, section: Any) -> None:
    file = tmp_path / "listeners.ini"
    options = {**section, "ordered": "true", "resources": "vehicle", "where": '{"actions": ["created"]}'}
    lines = [f"event_listeners.stream.{name} = {value}" for name, value in options.items()]
    file.write_text("\n".join(["event_listeners = stream", *lines]))
    settings.EVENT_LISTENERS = str(file)
    assert not run_checks(databases=[])
    found = built("queue:stream")
    assert found is not None
    assert found.ordered


@pytest.mark.parametrize(
    ("extra", "package"), [("redis", "redis"), ("rabbitmq", "amqp"), ("nats", "nats"), ("kafka", "confluent_kafka")]
)
def test_a_missing_package_is_named_with_the_command_that_installs_it(extra: str, package: str) -> None:
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "import django; from django.conf import settings\n"
        "settings.configure(INSTALLED_APPS=['django.contrib.contenttypes', 'django.contrib.auth', 'heliostat.outbox',"
        " 'heliostat.delivery', 'heliostat.listeners'], EVENT_LISTENERS={'stream': {'use': 'heliostat.queues."
        f"{extra}'}}}})\n"
        "django.setup()\nfrom django.core.checks import run_checks\n"
        "print(*(message.msg for message in run_checks(databases=[])))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert f"pip install 'heliostat[{extra}]'" in done.stdout
    assert "EVENT_LISTENERS['stream']" in done.stdout


def test_a_queue_works_where_the_app_of_queues_is_not_installed(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    need_port(6379, "Redis")
    stream = RedisStream(6379)
    settings.EVENT_LISTENERS = {"stream": {**stream.section(), "resources": ["vehicle"]}}
    Vehicle.objects.create(name="55")
    monkeypatch.setattr(kinds, "_kinds", {name: one for name, one in kinds._kinds.items() if name != "queue"})
    registry.settings_changed()  # as in a worker that has published nothing yet
    assert kind_of("queue:stream") is not None
    assert drain_outbox() == {"sent": 1}
    assert len(stream.events()) == 1
    stream.close()


@pytest.mark.parametrize("kind", [RedisStream, RabbitExchange, NatsSubject, KafkaTopic])
def test_a_server_that_is_not_there_is_a_reason_that_holds_no_password(
    settings: Any, unhurried: None, caplog: pytest.LogCaptureFixture, kind: type[Destination]
) -> None:
    settings.HELIOSTAT_REQUEST_TIMEOUT = 2
    section = kind(free_port()).section()
    section["url"] = section["url"].replace("guest:guest@", "").replace("://", f"://me:{PASSWORD}@")
    settings.EVENT_LISTENERS = {"stream": {**section, "resources": ["vehicle"]}}
    Vehicle.objects.create(name="55")
    with caplog.at_level(logging.DEBUG):
        assert drain_outbox() == {"retry": 1}
    callback, attempt = Callback.objects.get(), Attempt.objects.get()
    found = built("queue:stream")
    assert callback.status == "waiting"
    assert callback.status_details
    assert PASSWORD not in f"{callback.status_details} {attempt.error} {caplog.text} {found} {found and found.listener}"


def test_a_queue_that_is_configured_no_longer_keeps_what_waits(settings: Any, unhurried: None) -> None:
    settings.EVENT_LISTENERS = {"stream": {**REDIS, "resources": ["vehicle"]}}
    Vehicle.objects.create(name="55")
    settings.EVENT_LISTENERS = {"stream": {**REDIS, "stream": "", "resources": ["vehicle"]}}
    assert drain_outbox() == {"retry": 1}
    assert "its section is not valid" in Callback.objects.get().status_details


@pytest.fixture(params=["redis", "nats", pytest.param("kafka", marks=pytest.mark.slow)])
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """A destination that takes at most 1 MiB."""
    if request.param == "redis":
        binary = redis_binaries().get("redis-7")
        if not binary:
            pytest.skip("no redis-server here")
        with running(redis_command(binary, "--proto-max-bulk-len", "1mb"), tmp_path / "redis") as server:
            yield RedisStream(server.port)
    elif request.param == "nats":
        need_port(4222, "NATS")
        made = NatsSubject(4222)
        yield made
        made.close()
    else:
        with running(kafka_command(), tmp_path / "kafka") as server:
            yield KafkaTopic(server.port)


def test_a_message_that_is_too_large_is_given_up_and_the_others_go_on(
    settings: Any, unhurried: None, small: Destination
) -> None:
    settings.EVENT_LISTENERS = {"stream": {**small.section(), "resources": ["vehicle"]}}
    for plan in ({}, {"a": "x" * 1_200_000}, {}):
        Vehicle.objects.create(name="55", plan=plan)
    assert drain_outbox() == {"sent": 2, "give_up": 1}
    details = Callback.objects.get(status="error").status_details
    assert "bytes" in details or "too large" in details.lower()
    assert len(small.events()) == 2


def test_a_wrong_password_is_a_reason_that_does_not_hold_it(settings: Any, unhurried: None, tmp_path: Path) -> None:
    binary = redis_binaries().get("redis-7")
    if not binary:
        pytest.skip("no redis-server here")
    with running(redis_command(binary, "--requirepass", "right"), tmp_path) as server:
        for user_info in ("", f":{PASSWORD}@"):
            section = RedisStream(server.port).section()
            section["url"] = section["url"].replace("://", f"://{user_info}")
            settings.EVENT_LISTENERS = {"stream": {**section, "resources": ["vehicle"]}}
            Vehicle.objects.create(name="55")
            drain_outbox()
            details = Callback.objects.order_by("pk").last().status_details
            assert "authenticat" in details.lower() or "password" in details.lower()
            assert PASSWORD not in details


def test_the_circuit_breaker_of_a_queue_opens_and_closes(settings: Any, tmp_path: Path) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0.01
    settings.HELIOSTAT_BREAKER_FIRST = 0.1
    binary = redis_binaries().get("redis-7")
    if not binary:
        pytest.skip("no redis-server here")
    with running(redis_command(binary), tmp_path) as server:
        stream = RedisStream(server.port)
        settings.EVENT_LISTENERS = {"stream": {**stream.section(), "resources": ["vehicle"]}}
        server.stop()
        for number in range(30):
            Vehicle.objects.create(name=str(number))
        drain_outbox()
        assert Callback.objects.filter(status="waiting").count() == 30
        server.start()
        circuit_breaker.reset(["queue:stream"], "default")
        transitions.retry_now("default")
        drain_outbox()
        assert len(stream.events()) == 30


def test_an_event_whose_row_was_written_by_hand_is_given_up_and_the_others_go_on(settings: Any) -> None:
    need_port(6379, "Redis")
    stream = RedisStream(6379)
    settings.EVENT_LISTENERS = {"stream": {**stream.section(), "resources": ["vehicle"]}}
    for _ in range(3):
        Vehicle.objects.create(name="55")
    event = EventRow.objects.order_by("pk")[1]
    EventRow.objects.filter(pk=event.pk).update(body='{"changes": {}}')
    assert drain_outbox() == {"sent": 2, "give_up": 1}
    assert "no message can be made of the event" in Callback.objects.get(status="error").status_details
    stream.close()


@pytest.mark.slow
def test_after_a_failover_messages_go_to_the_server_that_the_address_leads_to_now(tmp_path: Path) -> None:
    if "redis-7" not in redis_binaries():
        missing("redis-server")
    command = redis_command(redis_binaries()["redis-7"])
    message = Message(cast(Any, None), b"{}")
    with (
        running(command, tmp_path / "one") as one,
        running(command, tmp_path / "two") as two,
        proxy_to(one.port) as proxy,
    ):
        publisher = RedisQueue(Options({"url": f"redis://127.0.0.1:{proxy.port}/0", "stream": "s"})).publisher()
        assert publisher.publish([message]) == [None]
        with redis.Redis(port=one.port) as client:
            client.replicaof("127.0.0.1", two.port)
        proxy.target = two.port
        (refused,) = publisher.publish([message])
        assert refused is not None
        assert "read only" in refused.reason
        assert publisher.publish([message]) == [None]
        publisher.close()


@pytest.mark.slow
def test_a_kafka_broker_that_is_away_is_logged_once_an_attempt(settings: Any, unhurried: None, caplog: Any) -> None:
    settings.EVENT_LISTENERS = {"k": {**KAFKA, "url": f"kafka://127.0.0.1:{free_port()}", "resources": "vehicle"}}
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"retry": 1}
    assert "Connection refused" in Callback.objects.get().status_details
    assert len([one for one in caplog.records if "refused" in one.getMessage()]) <= 1
