"""Django Tasks, on the immediate backend and on a database with its worker."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.checks import run_checks
from django.core.management import call_command
from django_tasks_db.models import DBTaskResult

from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True)

READY = "heliostat.webhooks.deliverers"


@pytest.fixture(autouse=True)
def by_tasks(settings: Any) -> None:
    settings.HOOK_COLLECTION_DELIVERER = f"{READY}.deliver_hooks_using_django_task"


@pytest.fixture
def database_backend(settings: Any) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}


def hook_to(receiver: Receiver, **values: Any) -> None:
    Hook.objects.create(target=receiver.url, **values)


def hook_to_vehicles(receiver: Receiver) -> None:
    hook_to(receiver, model=ContentType.objects.get_for_model(Vehicle))


def run_tasks() -> None:
    """What its worker process does all day."""
    call_command("db_worker", batch=True, interval=0, startup_delay=False, verbosity=0)


def warnings() -> list[str]:
    return [str(message.msg) for message in run_checks(databases=[]) if message.id == "heliostat.W060"]


@pytest.mark.usefixtures("database_backend")
def test_a_backend_whose_app_is_not_installed_is_named_when_the_project_starts(settings: Any) -> None:
    assert warnings() == []
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "django_tasks_db"]
    assert "add 'django_tasks_db' to INSTALLED_APPS" in warnings()[0]
    settings.TASKS = {"default": {"BACKEND": "django_tasks.backends.immediate.ImmediateBackend"}}
    assert warnings() == []


def test_the_immediate_backend_publishes_at_once(receiver: Receiver) -> None:
    hook_to_vehicles(receiver)
    Vehicle.objects.create(name="55")
    assert (len(receiver.deliveries), Callback.objects.get().status) == (1, "sent")


@pytest.mark.usefixtures("database_backend")
@pytest.mark.parametrize(("element", "tasks"), [("deliver_hook", 1), ("deliver_hook_using_django_task", 3)])
def test_a_worker_of_django_tasks_notifies_each_hook_once(
    receiver: Receiver, settings: Any, element: str, tasks: int
) -> None:
    settings.HOOK_ELEMENT_DELIVERER = f"{READY}.{element}"
    hook_to_vehicles(receiver)
    hook_to_vehicles(receiver)
    Vehicle.objects.create(name="55")
    assert receiver.deliveries == []
    run_tasks()
    assert list(DBTaskResult.objects.values_list("status", flat=True)) == ["SUCCESSFUL"] * tasks
    assert [delivery.times_seen for delivery in receiver.deliveries] == [1, 1]


@pytest.mark.usefixtures("database_backend")
def test_a_task_that_is_lost_loses_nothing_and_one_that_comes_late_sends_nothing_twice(receiver: Receiver) -> None:
    hook_to_vehicles(receiver)
    Vehicle.objects.create(name="lost")
    DBTaskResult.objects.all().delete()
    Vehicle.objects.create(name="late")
    drain_outbox()
    run_tasks()
    assert [delivery.times_seen for delivery in receiver.deliveries] == [1, 1]


@pytest.mark.usefixtures("database_backend")
def test_the_rows_of_tasks_are_no_news_that_would_make_further_tasks(receiver: Receiver) -> None:
    hook_to(receiver, signals=["*.*"])
    Vehicle.objects.create(name="55")
    run_tasks()
    assert [delivery.json["type"] for delivery in receiver.deliveries] == ["example.vehicle.created"]
    assert Callback.objects.count() == 1
