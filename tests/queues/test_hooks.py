"""A hook may name a queue of the settings: who may use it, what is published, and what is refused."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.test import Client

from heliostat.outbox.models import Callback
from heliostat.outbox.models import Event as EventRow
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.exceptions import InvalidTargetError
from heliostat.webhooks.models import Hook
from heliostat.webhooks.operations import ping
from tests.example.models import Vehicle
from tests.queues.destinations import RedisStream
from tests.queues.servers import need_port
from tests.webhooks.admin.hook_form import ADD, typed

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def stream(settings: Any) -> Iterator[RedisStream]:
    need_port(6379, "Redis")
    made = RedisStream(6379)
    settings.HELIOSTAT_QUEUES = {"pipeline": made.section()}
    settings.HELIOSTAT_PERMISSION_CACHE = 0
    yield made
    made.close()


def hook_to(target: str, **fields: Any) -> Hook:
    return Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=target, **fields)


def user(name: str = "ada", *, may_view: bool = True, **fields: Any) -> User:
    made = User.objects.create_user(name, **fields)
    if may_view:
        made.user_permissions.add(Permission.objects.get(codename="view_vehicle"))
    return made


def test_what_a_hook_is_sent_is_published_beside_webhooks(stream: RedisStream, receiver: Receiver) -> None:
    hook_to("queue:pipeline")
    hook_to(receiver.url)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 2}
    (event,) = stream.events()
    row = EventRow.objects.get()
    assert (event["id"], event["subject"]) == (str(row.pk), f"example.vehicle/{row.object_id}")
    assert event["data"] == json.loads(row.body)
    assert len(receiver.deliveries) == 1


def test_the_hooks_own_body_is_the_data(stream: RedisStream) -> None:
    hook_to("queue:pipeline", payload_template='{"name": "{{instance.name}}"}')
    hook_to("queue:pipeline", payload_template="{{instance.name}} arrived", content_type="text/plain")
    Vehicle.objects.create(name="55")
    drain_outbox()
    found = {event["datacontenttype"]: event["data"] for event in stream.events()}
    assert found == {"application/json": {"name": "55"}, "text/plain": "55 arrived"}


@pytest.mark.parametrize(
    "content_type", ["text/plain; charset=a+json", "application/json-seq", "text/json", "application/geo+json; v=1"]
)
def test_a_body_is_data_and_nothing_else_whatever_its_content_type(stream: RedisStream, content_type: str) -> None:
    is_json = content_type in ("text/json", "application/geo+json; v=1")
    body = '{"name": "55"}' if is_json else '1,"source":"/forged","id":"7"'
    hook_to("queue:pipeline", payload_template=body, content_type=content_type)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 1}
    (event,) = stream.events()
    assert event["data"] == (json.loads(body) if is_json else body)
    assert event["source"] == "/heliostat"


def test_a_text_that_waits_while_its_hook_is_given_a_json_type_stays_a_text(stream: RedisStream) -> None:
    text = '1,"source":"/forged"'
    hook = hook_to("queue:pipeline", payload_template=text, content_type="text/plain")
    Vehicle.objects.create(name="55")
    Hook.objects.filter(pk=hook.pk).update(content_type="application/json")
    drain_outbox()
    (event,) = stream.events()
    assert (event["data"], event["source"], event["datacontenttype"]) == (text, "/heliostat", "text/plain")


def test_a_hook_that_is_given_another_target_is_published_there_from_now_on(
    stream: RedisStream, receiver: Receiver
) -> None:
    hook = hook_to(receiver.url)
    Vehicle.objects.create(name="first")
    drain_outbox()
    hook.target = "queue:pipeline"
    hook.save()
    Vehicle.objects.create(name="second")
    assert drain_outbox() == {"sent": 1}
    assert len(receiver.deliveries) == len(stream.events()) == 1


def test_a_test_event_is_published_too(stream: RedisStream) -> None:
    ping(hook_to("queue:pipeline"))
    assert drain_outbox() == {"sent": 1}
    assert [event["type"] for event in stream.events()] == ["heliostat.ping"]


@pytest.mark.parametrize("scheme", ["redis", "rediss", "amqp", "amqps", "nats", "kafka", "unix"])
def test_the_address_of_a_queue_is_refused(scheme: str) -> None:
    with pytest.raises(InvalidTargetError, match="names a queue as queue:NAME"):
        hook_to(f"{scheme}://user:password@10.0.0.1/0")


def test_a_queue_that_does_not_exist_is_refused_with_what_was_meant(stream: RedisStream) -> None:
    with pytest.raises(InvalidTargetError, match=r"no queue 'pipelin' in HELIOSTAT_QUEUES. Did you mean pipeline\?"):
        hook_to("queue:pipelin")


@pytest.mark.parametrize(
    ("allow", "who", "may"),
    [
        (None, "staff", False),
        (None, "superuser", True),
        ("staff", "staff", True),
        ("staff", "user", False),
        ("everybody", "user", True),
        ("group:pipeline", "member", True),
        ("group:pipeline", "staff", False),
        ("permission:example.change_depot", "user", False),
        (["staff", "permission:example.view_vehicle"], "user", True),
        ("everybody", "inactive", False),
    ],
)
def test_who_may_use_a_queue_is_said_in_the_settings(
    stream: RedisStream, settings: Any, allow: Any, who: str, may: bool
) -> None:
    own = {} if allow is None else {"allow": allow}
    settings.HELIOSTAT_QUEUES = {"pipeline": {**stream.section(), **own}}
    owner = user(is_staff=who == "staff", is_superuser=who == "superuser", is_active=who != "inactive")
    if who == "member":
        owner.groups.add(Group.objects.create(name="pipeline"))
    hook_to("queue:pipeline", user=owner, enforce_permissions=True)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == ({"sent": 1} if may else {"cancel": 1})
    assert len(stream.events()) == may


def test_a_right_that_is_taken_away_stops_the_hook(stream: RedisStream, settings: Any) -> None:
    settings.HELIOSTAT_QUEUES = {"pipeline": {**stream.section(), "allow": "staff"}}
    owner = user(is_staff=True)
    hook_to("queue:pipeline", user=owner, enforce_permissions=True)
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 1}
    User.objects.filter(pk=owner.pk).update(is_staff=False)
    Vehicle.objects.create(name="56")
    assert drain_outbox() == {"cancel": 1}
    details = Callback.objects.get(status="cancelled").status_details
    assert details == "the owner of the hook may not use its queue"


def test_the_rest_api_offers_only_the_queues_that_a_user_may_use(stream: RedisStream, settings: Any) -> None:
    settings.HELIOSTAT_QUEUES = {
        "pipeline": {**stream.section(), "allow": "everybody"},
        "pipelines": stream.section(),
    }
    client = Client()
    client.force_login(user())
    body = {"model": "example.vehicle", "target_url": "queue:pipeline"}
    url = "/api/hooks/"
    made = client.post(url, body, "application/json")
    assert made.status_code == 201, made.content
    assert made.json()["target_url"] == "queue:pipeline"
    refused = client.post(url, {**body, "target_url": "queue:pipelines"}, "application/json")
    assert refused.status_code == 400
    assert refused.json() == {"target_url": ["There is no queue 'pipelines' that you may use. Did you mean pipeline?"]}
    raw = client.post(url, {**body, "target_url": "redis://:hunter2@10.0.0.1/0"}, "application/json")
    assert raw.status_code == 400
    assert "hunter2" not in raw.content.decode()


def test_a_queue_that_was_removed_from_the_settings_keeps_what_waits(stream: RedisStream, settings: Any) -> None:
    hook_to("queue:pipeline")
    Vehicle.objects.create(name="55")
    settings.HELIOSTAT_QUEUES = {}
    assert drain_outbox() == {"retry": 1}
    assert "There is no queue 'pipeline' in HELIOSTAT_QUEUES" in Callback.objects.get().status_details


def test_the_address_of_a_queue_may_be_in_a_file(stream: RedisStream, settings: Any, tmp_path: Path) -> None:
    section = stream.section()
    (tmp_path / "url").write_text(section.pop("url") + "\n")
    settings.HELIOSTAT_QUEUES = {"pipeline": {**section, "url_file": tmp_path / "url"}}
    hook_to("queue:pipeline")
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"sent": 1}


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"use": "heliostat.queues.redis", "url_file": "/no/such/file", "stream": "x"}, "cannot be read"),
        ({}, "has no `use`"),
        ({"use": "heliostat.queues.reddis"}, "cannot be loaded"),
        ({"use": "heliostat.queues.redis", "url": "redis://127.0.0.1"}, "give either `stream` or `list`"),
        ({"use": "heliostat.queues.redis", "stream": "x"}, "`url` is missing"),
        ({"use": "heliostat.queues.redis", "url": "redis://h", "stream": "x", "allow": "stuff"}, "Did you mean staff?"),
        ({"use": "heliostat.queues.redis", "url": "redis://h", "stream": "x", "allow": 7}, "`allow` must be"),
        (
            {"use": "heliostat.queues.redis", "url": "redis://h", "stream": "x", "actions": ["create"]},
            "EVENT_LISTENERS",
        ),
        ({"use": "heliostat.listeners.email", "recipients": "a@example.org"}, "is no queue"),
    ],
)
def test_a_queue_that_cannot_be_used_is_a_system_check(settings: Any, options: Any, problem: str) -> None:
    settings.HELIOSTAT_QUEUES = {"pipeline": options}
    (message,) = run_checks(databases=[])
    assert message.id == "heliostat.E021"
    assert message.msg.startswith("HELIOSTAT_QUEUES['pipeline']")
    assert problem in message.msg


def test_the_admin_saves_a_hook_that_names_a_queue_and_previews_its_message(
    stream: RedisStream, admin_client: Client
) -> None:
    Vehicle.objects.create(name="55")
    values = typed(target_url="queue:pipeline", http_method="GET", payload_template='{"name": "{{instance.name}}"}')
    page = html.unescape(admin_client.post("/admin/heliostat_webhooks/hook/preview/", values).content.decode())
    shown = re.search(r'<pre class="heliostat-body"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert shown is not None
    assert shown[1].split() == ["queue:pipeline", '{"name":', '"55"}']
    assert admin_client.post(ADD, values).status_code == 302
    assert str(Hook.objects.get()).endswith("to queue:pipeline")
    refused = admin_client.post(ADD, {**values, "target_url": "queue:pipelin"})
    assert "Did you mean pipeline?" in html.unescape(refused.content.decode())


def test_a_deliverer_that_sends_at_the_commit_publishes_to_a_queue_too(stream: RedisStream, settings: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = "heliostat.webhooks.deliverers.deliver_hooks"
    hook_to("queue:pipeline")
    Vehicle.objects.create(name="55")
    assert Callback.objects.get().status == "sent"
    assert len(stream.events()) == 1
