"""Celery on real brokers: what it is handed is notified once, and what it loses is notified all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.utils import timezone

from heliostat.outbox import transitions
from heliostat.outbox.models import Attempt, Callback
from heliostat.outbox.resending import resend
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.webhooks import operations, tasks
from heliostat.webhooks.deliverers import celery as celery_deliverers
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle
from tests.settings import reachable
from tests.webhooks.celery_worker import DATABASE, ROOT, Project

pytestmark = pytest.mark.django_db(transaction=True)

READY = "heliostat.webhooks.deliverers"
BROKERS = {"redis": "redis://127.0.0.1:6379/9", "rabbitmq": "amqp://guest:guest@127.0.0.1:5672//"}
PORTS = {"redis": 6379, "rabbitmq": 5672}
NOBODY = "redis://127.0.0.1:9/0"


@pytest.fixture(autouse=True)
def by_celery(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{READY}.deliver_hooks_using_task"
    settings.HOOK_ELEMENT_DELIVERER = f"{READY}.deliver_hook_using_task"
    monkeypatch.setattr(celery_deliverers, "_away_until", 0.0)


@pytest.fixture(params=BROKERS)
def project(request: pytest.FixtureRequest) -> Iterator[Project]:
    if not reachable(PORTS[request.param]) and not django_settings.IN_CI:
        pytest.skip(f"no {request.param} at 127.0.0.1:{PORTS[request.param]}")
    project = Project(BROKERS[request.param])
    yield project
    project.delete_queue()
    project.app.close()


@pytest.fixture
def project_without_broker() -> Iterator[Project]:
    project = Project(NOBODY)
    yield project
    project.app.close()


def hook_to(receiver: Receiver) -> Hook:
    hook = Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url)
    receiver.secrets = [hook.reveal_secret()]
    return hook


def wait_until_all_are_sent() -> None:
    deadline = time.monotonic() + 30
    while Callback.objects.exclude(status="sent").exists():
        assert time.monotonic() < deadline, list(Callback.objects.values("status", "status_details"))
        time.sleep(0.1)


def test_a_celery_worker_notifies_each_once_though_another_worker_is_beside_it(
    project: Project, receiver: Receiver
) -> None:
    hook_to(receiver)
    with project.worker():
        Vehicle.objects.create(name="first")
        receiver.wait_for(1, timeout=60)
        for number in range(10):
            Vehicle.objects.create(name=str(number))
        drain_outbox()
        wait_until_all_are_sent()
    assert [(delivery.verified, delivery.times_seen) for delivery in receiver.deliveries] == [(True, 1)] * 11


def test_what_is_sent_again_tried_now_or_resumed_goes_to_celery_like_what_just_happened(
    project: Project, receiver: Receiver
) -> None:
    hook = hook_to(receiver)
    with project.worker():
        Vehicle.objects.create(name="55")
        receiver.wait_for(1, timeout=60)
        wait_until_all_are_sent()
        callback = Callback.objects.get()
        assert resend([callback.pk]) == 1
        receiver.wait_for(2, timeout=20)
        wait_until_all_are_sent()
        later = timezone.now() + timedelta(hours=1)
        Callback.objects.update(status="waiting", due_at=later)
        transitions.retry_now("default", ids=[callback.pk])
        receiver.wait_for(3, timeout=20)
        wait_until_all_are_sent()
        operations.pause(hook)
        Vehicle.objects.create(name="56")
        operations.resume(hook)
        receiver.wait_for(4, timeout=20)
        wait_until_all_are_sent()


@pytest.mark.slow
def test_a_celery_worker_that_is_killed_between_sending_and_recording_loses_nothing(
    project: Project, receiver: Receiver
) -> None:
    hook_to(receiver)
    receiver.answers = [Answer(delay=3)]
    with project.worker() as worker:
        Vehicle.objects.create(name="55")
        receiver.wait_for(1, timeout=60)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    assert Callback.objects.get().status == "sending"
    deadline = time.monotonic() + 30
    while Callback.objects.get().status != "sent" and time.monotonic() < deadline:
        tasks.send_due()  # what Celery beat is given
        time.sleep(0.2)
    first, second = receiver.deliveries
    assert (first.id, second.times_seen) == (second.id, 2)
    assert Attempt.objects.get().number == 2


@pytest.mark.usefixtures("project_without_broker")
def test_a_broker_that_is_away_delays_no_change_for_long_and_loses_none(receiver: Receiver, caplog: Any) -> None:
    hook_to(receiver)
    for name in ("55", "56", "57"):
        Vehicle.objects.create(name=name)
    assert caplog.text.count("Celery's broker is away") == 1, "it is asked once, not at each change"
    drain_outbox()
    assert len(receiver.deliveries) == 3


@pytest.mark.usefixtures("project_without_broker")
def test_the_paths_of_the_document_are_understood(settings: Any) -> None:
    for name in ("deliver_hooks_using_task", "deliver_hooks_using_eventlet", "deliver_hooks_using_eventlet_task"):
        settings.HOOK_COLLECTION_DELIVERER = f"heliostat.webhooks.deliveres.{name}"
        assert run_checks(databases=[]) == []


def test_a_broker_that_needs_another_package_is_named_when_the_project_starts() -> None:
    project = Project("nope://")
    messages = run_checks(databases=[])
    project.app.close()
    assert [message.id for message in messages] == ["heliostat.W060"] * 2
    assert "such as celery[redis]" in messages[0].msg


def test_an_address_of_a_broker_that_cannot_be_read_is_named_without_its_password() -> None:
    project = Project("redis://:s3cr/et@127.0.0.1/0")
    messages = run_checks(databases=[])
    project.app.close()
    assert [message.id for message in messages] == ["heliostat.W060"] * 2
    assert "the address of its broker cannot be read" in messages[0].msg
    assert "s3cr" not in messages[0].msg


def test_a_project_without_a_celery_app_is_warned_when_it_starts(tmp_path: Path) -> None:
    database = str(tmp_path / "project.sqlite3")
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.webhooks.beside_settings", DATABASE: database}
    command = [sys.executable, "-m", "django", "check"]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr.count("heliostat.W060") == 2, "for the collection, and for the element"
    assert "import yours in the __init__.py" in done.stderr
