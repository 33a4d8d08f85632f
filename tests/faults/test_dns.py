"""DNS that rebinds, mixes public and private answers, hangs or fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from heliostat.delivery import resolver
from heliostat.outbox.models import Attempt
from heliostat.testing import Answer, Receiver, drain_outbox
from tests.example.models import Vehicle
from tests.faults.servers import hook_to, notified_once
from tests.faults.steering import Steering, steered_names

pytestmark = pytest.mark.django_db(transaction=True)

PUBLIC = "93.184.216.34"


@pytest.fixture
def dns() -> Iterator[Steering]:
    with steered_names() as steering:
        yield steering


def notify(name: str = "55") -> Attempt:
    """The last attempt that comes of one more event."""
    Vehicle.objects.create(name=name)
    drain_outbox()
    return Attempt.objects.latest("id")


def test_a_name_is_called_at_the_address_that_it_has(dns: Steering, receiver: Receiver) -> None:
    dns.lead("tom.example", "127.0.0.1")
    assert notified_once(f"http://tom.example:{receiver.port}/").outcome == "sent"
    assert receiver.deliveries[0].headers["Host"] == f"tom.example:{receiver.port}"


@pytest.mark.parametrize("host", ["tom.example.", "TOM.example", "xn--bcher-kva.example"])
def test_a_name_in_an_unusual_form_is_called_as_well(dns: Steering, receiver: Receiver, host: str) -> None:
    dns.lead(host.lower(), "127.0.0.1")
    assert notified_once(f"http://{host}:{receiver.port}/").outcome == "sent"


def test_a_name_is_looked_up_once_for_many_requests(dns: Steering, receiver: Receiver) -> None:
    dns.lead("tom.example", "127.0.0.1")
    hook_to(f"http://tom.example:{receiver.port}/")
    for number in range(100):
        Vehicle.objects.create(name=str(number))
    assert drain_outbox() == {"sent": 100}
    assert dns.asked == {"tom.example": 1}


def test_the_second_address_is_tried_where_the_first_does_not_answer(dns: Steering, receiver: Receiver) -> None:
    dns.lead("tom.example", "127.0.0.2", "::1", "127.0.0.1")
    assert notified_once(f"http://tom.example:{receiver.port}/").outcome == "sent"


@pytest.mark.parametrize("private", ["127.0.0.1", "169.254.169.254", "fd00::1", "::ffff:10.0.0.1", "fe80::1%lo"])
@pytest.mark.parametrize("first", [True, False])
def test_one_private_address_among_public_ones_refuses_the_name(
    dns: Steering, receiver: Receiver, settings: Any, private: str, first: bool
) -> None:
    hook_to(f"http://tom.example:{receiver.port}/")
    settings.HELIOSTAT_ALLOW_NETWORKS = []
    dns.lead("tom.example", *([private, PUBLIC] if first else [PUBLIC, private]))
    attempt = notify()
    assert attempt.outcome == "retry"
    assert attempt.error.startswith("address refused: ")
    assert receiver.deliveries == []


def test_a_name_that_rebinds_is_dialled_where_it_was_judged(dns: Steering, receiver: Receiver, settings: Any) -> None:
    """Public when it is judged, private when it is dialled: there is no second look-up that could differ."""
    settings.HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.2"]
    with Receiver(host="127.0.0.2", port=receiver.port) as judged:
        answers = [["127.0.0.2"], ["127.0.0.1"]]
        dns.names["tom.example"] = lambda: answers.pop(0)
        hook_to(f"http://tom.example:{receiver.port}/")
        assert notify().outcome == "sent"
        assert len(judged.deliveries) == 1
    assert notify().error.startswith("address refused: loopback"), "the next look-up, for another worker"
    assert receiver.deliveries == []


def test_an_answer_counts_for_a_while_and_then_the_next_one_does(
    dns: Steering, receiver: Receiver, settings: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(resolver, "FRESH", 0.0)
    settings.HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 1  # one after the other
    receiver.answers = [Answer(503, {"Connection": "close"})]
    dns.names["tom.example"] = lambda: ["127.0.0.1" if dns.asked["tom.example"] == 1 else "127.0.0.2"]
    with Receiver(host="127.0.0.2", port=receiver.port) as moved:
        hook_to(f"http://tom.example:{receiver.port}/")
        for number in range(3):
            Vehicle.objects.create(name=str(number))
        assert drain_outbox() == {"retry": 1, "sent": 2}
        assert (len(receiver.deliveries), len(moved.deliveries)) == (1, 2)


def test_a_name_without_an_address_is_tried_again_later(dns: Steering) -> None:
    attempt = notified_once("http://nowhere.example/")
    assert attempt.outcome == "retry"
    assert "the name has no address" in attempt.error


def test_a_name_whose_servers_hang_delays_nobody_else(dns: Steering, receiver: Receiver, settings: Any) -> None:
    settings.HELIOSTAT_CONNECT_TIMEOUT = 1.0
    for number in range(40):  # more than libcurl would look up at once
        dns.hang(f"tom{number}.example")
        hook_to(f"http://tom{number}.example/")
    dns.lead("quick.example", "127.0.0.1")
    quick = hook_to(f"http://quick.example:{receiver.port}/")
    Vehicle.objects.create(name="55")
    assert drain_outbox() == {"retry": 40, "sent": 1}
    slow = Attempt.objects.exclude(callback__subscriber=quick.subscriber)
    assert set(slow.values_list("error", flat=True)) == {"no answer from DNS within 1 s"}
    assert Attempt.objects.first().outcome == "sent", "it was written down before the others gave up"


def test_look_ups_are_bounded_and_one_that_hangs_is_not_begun_again(dns: Steering, settings: Any) -> None:
    settings.HELIOSTAT_CONNECT_TIMEOUT = 0.2
    before = threading.active_count()
    asked = resolver.Resolver(lambda: None)
    for number in range(200):
        dns.hang(f"tom{number}.example")
        assert asked.resolve((f"tom{number}.example", 80), number) is None
    assert threading.active_count() - before <= resolver.AT_ONCE
    gave_up: list[object] = []
    while len(gave_up) < 200:
        gave_up += asked.ready()
    assert asked.next_deadline() is None, "nobody waits any more"
    found = asked.resolve(("tom0.example", 80), 0)
    assert found is not None, "it is known not to answer"
    assert "no answer" in found.problem
    assert dns.asked["tom0.example"] == 1
    asked.close()
