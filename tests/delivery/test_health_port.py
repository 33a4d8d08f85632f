"""The port where a worker says how it is, and its figures for Prometheus."""

from __future__ import annotations

import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError
from django.db import OperationalError, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path
from prometheus_client.parser import text_string_to_metric_families

from heliostat.delivery.attempts import Metrics
from heliostat.delivery.health import HealthServer
from heliostat.delivery.metrics import exposition
from heliostat.delivery.views import metrics
from heliostat.delivery.worker import Worker
from heliostat.outbox import backlog
from heliostat.outbox.dialect import moment
from heliostat.outbox.models import CircuitBreaker
from heliostat.testing import Answer, Receiver, drain_outbox
from heliostat.webhooks import operations
from tests.delivery.commands import run
from tests.delivery.working import eventually, hook_to, vehicles, working

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

urlpatterns = [path("metrics", metrics)]


@pytest.fixture(autouse=True)
def look_again() -> Iterator[None]:
    backlog._looks.clear()
    yield
    backlog._looks.clear()


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Name and label values → value, as Prometheus reads them."""
    families = text_string_to_metric_families(text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_a_worker_that_is_well_says_so_and_one_that_has_not_begun_does_not(using: str) -> None:
    with HealthServer(Worker(using), "127.0.0.1", 0) as server:
        assert get(f"{server.url}/healthz") == (503, "the worker is starting\n")
    with working(using) as (worker,), HealthServer(worker, "127.0.0.1", 0) as server:
        assert eventually(lambda: get(f"{server.url}/healthz") == (200, "well\n"))
        assert get(f"{server.url}/elsewhere")[0] == 404


@pytest.mark.slow
def test_a_worker_without_its_database_is_not_well_and_says_why(monkeypatch: Any) -> None:
    from heliostat.delivery.scheduler import Scheduler

    def away(_: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with working() as (worker,), HealthServer(worker, "127.0.0.1", 0) as server:
        assert eventually(lambda: get(f"{server.url}/healthz")[0] == 200)
        with monkeypatch.context() as patch:
            patch.setattr(Scheduler, "due", away)
            assert eventually(lambda: get(f"{server.url}/healthz") == (503, "the database is out of reach\n"))
        assert eventually(lambda: get(f"{server.url}/healthz")[0] == 200)


def test_a_worker_that_hangs_is_not_well(monkeypatch: Any) -> None:
    worker = Worker()
    worker._well_at = 0.0
    monkeypatch.setattr("heliostat.delivery.worker.time.monotonic", lambda: 90.0)
    assert worker.problem() == "the worker has been silent for 90 s"


def test_the_figures_say_what_waits_and_what_was_done(using: str, receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0
    receiver.answers = [503, 200, 410]
    hook = hook_to(receiver)
    vehicles(1, using)
    worker = Worker(using)
    worker.metrics = Metrics()
    worker.drain()
    with Receiver() as other:
        paused = hook_to(other, paused=True)
        vehicles(3, using)
        figures = samples(exposition(using, worker).decode())
    name = hook.subscriber
    assert figures["heliostat_attempts_total", "sent", name] == 1
    assert figures["heliostat_attempts_total", "retried", name] == 1
    assert figures["heliostat_attempt_duration_seconds_bucket", "+Inf"] == 2
    assert figures["heliostat_worker_claimed_total",] == 2
    assert figures["heliostat_waiting", paused.subscriber] == 3
    assert figures["heliostat_oldest_due_seconds", paused.subscriber] >= 0
    assert figures["heliostat_circuit_breakers_open",] == 0


def test_an_open_circuit_breaker_is_counted(receiver: Receiver) -> None:
    CircuitBreaker.objects.create(subscriber="hook:1", openings=1, open_until=moment("default", 100))
    assert samples(exposition("default").decode())["heliostat_circuit_breakers_open",] == 1


def test_only_so_many_subscribers_have_figures_of_their_own(using: str, receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_METRICS_SUBSCRIBERS = 2
    hooks = [hook_to(receiver) for _ in range(4)]
    vehicles(1, using)
    figures = samples(exposition(using).decode())
    waiting = {labels[0]: value for (name, *labels), value in figures.items() if name == "heliostat_waiting"}
    assert len(waiting) == 3
    assert waiting["others"] == 2
    worker = Worker(using)
    worker.metrics = Metrics()
    worker.drain()
    notified = {name for name, _ in worker.metrics.attempts}
    assert len(notified) == 3
    assert notified < {"others", *(hook.subscriber for hook in hooks)}


def test_figures_are_remembered_for_some_seconds_and_cost_few_statements(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    vehicles(2, using)
    with CaptureQueriesContext(connections[using]) as first:
        exposition(using)
    with CaptureQueriesContext(connections[using]) as second:
        exposition(using)
    assert len(second) < len(first) <= 6


def test_the_command_answers_while_it_works_and_no_longer(receiver: Receiver) -> None:
    seen: list[tuple[int, str]] = []
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def answer(_: Any) -> Answer:
        seen.append(get(f"http://127.0.0.1:{port}/metrics"))
        return Answer()

    receiver.answers = answer
    hook_to(receiver)
    vehicles(1)
    ran = run("worker", "--batch", "--health-port", port)
    assert f"http://127.0.0.1:{port}/healthz" in ran.out
    ((status, text),) = seen
    assert status == 200
    assert samples(text)["heliostat_worker_up",] == 1
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5)


def test_a_port_that_is_taken_is_said_at_once(receiver: Receiver) -> None:
    with pytest.raises(CommandError, match="Choose another --health-port"):
        run("worker", "--batch", "--health-port", receiver.port)


def test_without_prometheus_client_health_is_there_and_metrics_say_what_to_install(monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with working() as (worker,), HealthServer(worker, "127.0.0.1", 0) as server:
        status, text = get(f"{server.url}/metrics")
        assert (status, "pip install 'heliostat[metrics]'" in text) == (501, True)
        assert eventually(lambda: get(f"{server.url}/healthz")[0] == 200)


@pytest.mark.urls(__name__)
def test_the_page_is_for_superusers_and_for_programs_with_the_token(
    client: Client, admin_client: Client, settings: Any
) -> None:
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 403, "no token is no password"
    settings.HELIOSTAT_METRICS_TOKEN = "s3cret"
    assert client.get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    answer = client.get("/metrics", headers={"Authorization": "Bearer s3cret"})
    assert answer.status_code == 200
    assert ("heliostat_circuit_breakers_open",) in samples(answer.content.decode())
    assert admin_client.get("/metrics").status_code == 200


@pytest.mark.urls(__name__)
def test_an_ordinary_user_is_refused(client: Client, django_user_model: Any) -> None:
    client.force_login(django_user_model.objects.create_user("ada"))
    assert client.get("/metrics").status_code == 403


@pytest.mark.urls(__name__)
def test_staff_read_the_metrics_only_with_permission_to_view_callbacks(client: Client, django_user_model: Any) -> None:
    sue = django_user_model.objects.create_user("sue", is_staff=True)
    client.force_login(sue)
    assert client.get("/metrics").status_code == 403
    sue.user_permissions.set(Permission.objects.filter(codename="view_callback"))
    assert client.get("/metrics").status_code == 200
    django_user_model.objects.update(is_active=False)
    assert client.get("/metrics").status_code == 403


def test_a_paused_hook_is_among_what_waits(receiver: Receiver) -> None:
    hook = hook_to(receiver)
    operations.pause(hook)
    vehicles(1)
    drain_outbox()
    assert samples(exposition("default").decode())["heliostat_waiting", hook.subscriber] == 1


def test_what_waits_and_what_is_sent_is_counted_in_an_index(using: str, receiver: Receiver) -> None:
    hook_to(receiver)
    vehicles(3, using)
    with CaptureQueriesContext(connections[using]) as queries:
        found = backlog.look(using)
    assert [one.callbacks for one in found.waiting.values()] == [3]
    assert 0 <= found.waiting[next(iter(found.waiting))].due_for < 30
    plans = [plan(using, query["sql"]) for query in queries if "callback" in query["sql"]]
    assert len(plans) == 2
    assert "heliostat_waiting" in plans[0]
    assert "heliostat_sending" in plans[1]


def plan(using: str, statement: str) -> str:
    """How the database would go about it, were the table large."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {'QUERY PLAN ' if connection.vendor == 'sqlite' else ''}{statement}")
        rows = cursor.fetchall()
        if connection.vendor == "postgresql":
            cursor.execute("RESET enable_seqscan")
    return "\n".join(" ".join(map(str, row)) for row in rows)
