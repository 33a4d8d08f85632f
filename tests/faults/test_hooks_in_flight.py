"""Hooks that are deleted, disabled, edited or given another secret while they are notified, and between two tries."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from heliostat.delivery.signing import new_secret
from heliostat.delivery.worker import Worker
from heliostat.outbox import transitions
from heliostat.outbox.models import Attempt, Callback, Event
from heliostat.outbox.transitions import SENT, Result
from heliostat.testing import Answer, Delivery, Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.delivery.working import hook_to
from tests.example.models import Vehicle
from tests.faults.servers import hook_to as notify_at
from tests.faults.servers import raw_server

pytestmark = pytest.mark.django_db(transaction=True)


def while_notified(do: Callable[[], object], answer: Answer) -> Callable[[Delivery], Answer]:
    """Do this before the first request is answered."""

    def act(delivery: Delivery) -> Answer:
        if delivery.number > 1:
            return Answer()
        do()
        connection.close()
        return answer

    return act


def try_again() -> None:
    transitions.retry_now("default")
    drain_outbox()


DELETED = "the hook was deleted"
DISABLED = "the hook is disabled"


@pytest.mark.parametrize(
    ("do", "reason"),
    [
        (lambda: Hook.objects.get().delete(), DELETED),
        (lambda: Hook.objects.all().delete(), DELETED),
        (lambda: Hook.objects.update(enabled=False), DISABLED),
    ],
    ids=["deleted", "deleted with others", "disabled"],
)
@pytest.mark.parametrize("status", [200, 503])
def test_a_hook_that_ends_while_it_is_notified_gets_nothing_more(
    do: Callable[[], object], reason: str, status: int
) -> None:
    with Receiver(answers=while_notified(do, Answer(status))) as receiver:
        hook_to(receiver)
        Vehicle.objects.create(name="55")
        drain_outbox()
        try_again()
        assert len(receiver.deliveries) == 1
    callback = Callback.objects.get()
    assert Attempt.objects.first().status_code == status, "what came of the request is known all the same"
    assert callback.status == ("sent" if status == 200 else "cancelled")
    assert status == 200 or callback.status_details == reason


def test_a_hook_that_is_edited_between_two_attempts_uses_its_new_address(receiver: Receiver) -> None:
    with Receiver(answers=[503]) as old:
        hook = hook_to(old)
        Vehicle.objects.create(name="55")
        drain_outbox()
        hook.target_url, hook.http_method, hook.headers = receiver.url, "PUT", "X-New: yes"
        hook.save()
        try_again()
    (first,), (second,) = old.deliveries, receiver.deliveries
    assert (second.method, second.headers["X-New"]) == ("PUT", "yes")
    assert (second.id, second.body) == (first.id, first.body), "the callback is the same"


def test_a_secret_that_is_changed_between_two_attempts_signs_the_second(receiver: Receiver) -> None:
    old, new = new_secret(), new_secret()
    receiver.answers = [Answer(503)]
    hook = hook_to(receiver)
    hook.set_secret(old)
    hook.save()
    Vehicle.objects.create(name="55")
    receiver.secrets = [old]
    drain_outbox()
    hook.set_secret(new)
    hook.save()
    receiver.secrets = [new]
    try_again()
    assert [one.verified for one in receiver.deliveries] == [True, True]


def test_a_hook_that_is_deleted_in_this_process_is_not_notified_of_what_happens_next(receiver: Receiver) -> None:
    hook = hook_to(receiver)
    Vehicle.objects.create(name="55")
    drain_outbox()
    hook.delete()
    Vehicle.objects.create(name="56")
    assert drain_outbox() == {}
    assert len(receiver.deliveries) == 1


@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize("using", ["default", "postgresql"])
@pytest.mark.django_db(transaction=True, databases=["default", *({"postgresql"} & connections.databases.keys())])
def test_a_callback_that_is_deleted_while_it_is_sent_harms_no_other(using: str, status: int, settings: Any) -> None:
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1
    if using not in connections.databases:
        pytest.skip("no PostgreSQL at 127.0.0.1:5432")

    def delete() -> None:
        Callback.objects.using(using).order_by("id")[:1].get().delete()
        Event.objects.using(using).filter(callbacks=None).delete()
        connections[using].close()

    with Receiver(answers=while_notified(delete, Answer(status))) as receiver:
        hook_to(receiver)
        Vehicle.objects.using(using).create(name="55")
        Vehicle.objects.using(using).create(name="56")
        Worker(using).drain()
        assert len(receiver.deliveries) == 2
    assert Callback.objects.using(using).get().status == "sent"


def test_a_lease_that_expires_under_a_living_worker_leaves_the_row_to_its_new_worker() -> None:
    """The first to claim is slow, and its answer comes when another has notified it already."""

    def serve(connection: socket.socket) -> None:
        take_over()
        connections.close_all()
        connection.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n")

    with raw_server(serve) as server:
        notify_at(server.url)
        Vehicle.objects.create(name="55")
        drain_outbox()
    assert Callback.objects.get().status == "sent", "the late 503 changes nothing"
    assert list(Attempt.objects.values_list("outcome", flat=True)) == ["sent", "retry"]


def take_over() -> None:
    """Another worker takes the callback for lost, and delivers it. One transaction: the first is not quicker."""
    with transaction.atomic():
        Callback.objects.update(lease_until=timezone.now() - timedelta(hours=1))
        assert transitions.rescue("default") == 1
        (taken,) = transitions.claim({Callback.objects.get().subscriber: 1}, "default")
        transitions.record_results([Result(taken, SENT, "200 OK", timezone.now(), 0.1)], "default")
