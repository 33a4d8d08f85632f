"""Ordered subscribers: of each object's callbacks, one at a time is sent, in the order in which they were made."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.contenttypes.models import ContentType
from django.utils import timezone

from heliostat.events.event import Event, Phase
from heliostat.events.subscriptions import Subscription
from heliostat.outbox import transitions
from heliostat.outbox.dialect import Claimed, dialect_for
from heliostat.outbox.models import Callback
from heliostat.outbox.transitions import GIVE_UP, RETRY, SENT, Result
from heliostat.outbox.write import ordering_key_of, write
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
IN_ORDER = Subscription(name="hook:1", pattern="*", phase=Phase.DURABLE, ordered=True)


def happens(using: str, *objects: str | None) -> list[int]:
    """Something happens to each of these objects; gives the callbacks' ids."""
    for object_id in objects:
        write([(Event(resource="example.vehicle", action="updated", object_id=object_id), [IN_ORDER])], using)
    newest = Callback.objects.using(using).order_by("-id").values_list("pk", flat=True)[: len(objects)]
    return sorted(newest)


def claim(using: str, free: int = 10) -> list[Claimed]:
    return transitions.claim({"hook:1": free}, using)


def ids(claimed: list[Claimed]) -> list[int]:
    return [one.id for one in claimed]


def record(using: str, claimed: list[Claimed], outcome: str = SENT) -> None:
    now = timezone.now()
    results = [Result(claimed=one, outcome=outcome, details="", started_at=now, duration=0) for one in claimed]
    transitions.record_results(results, using)


def test_only_the_oldest_of_each_object_is_published_at_a_time(using: str) -> None:
    one, two, three, other = happens(using, "1", "1", "1", "2")
    first = claim(using)
    assert ids(first) == [one, other]
    assert claim(using) == []
    record(using, first)
    second = claim(using)
    assert ids(second) == [two]
    record(using, second)
    assert ids(claim(using)) == [three]


def test_events_without_an_object_are_in_no_order(using: str) -> None:
    assert ids(claim(using)) == []
    assert len(happens(using, None, None)) == len(claim(using)) == 2


def test_the_next_waits_while_the_one_before_it_is_to_be_tried_again(using: str) -> None:
    one, two = happens(using, "1", "1")
    record(using, claim(using), RETRY)
    assert claim(using) == []
    assert not dialect_for(using).due_subscribers("", 10), "and nobody is asked about it in vain"
    transitions.retry_now(using, ids=[one])
    again = claim(using)
    assert ids(again) == [one]
    record(using, again)
    assert ids(claim(using)) == [two]


def test_one_that_is_given_up_lets_the_next_go(using: str) -> None:
    _, two = happens(using, "1", "1")
    claimed = claim(using)
    assert claim(using) == []
    record(using, claimed, GIVE_UP)
    assert ids(claim(using)) == [two]


def test_one_whose_workers_all_died_lets_the_next_go(using: str, settings) -> None:
    settings.HELIOSTAT_MAX_ATTEMPTS = 1
    _, two = happens(using, "1", "1")
    claim(using)
    assert claim(using) == []
    Callback.objects.using(using).filter(status="sending").update(lease_until=timezone.now() - timedelta(hours=1))
    transitions.rescue(using)
    assert ids(claim(using)) == [two]


def test_what_is_rescued_is_first_again(using: str) -> None:
    one, _ = happens(using, "1", "1")
    assert ids(claim(using)) == [one]
    Callback.objects.using(using).filter(status="sending").update(lease_until=timezone.now() - timedelta(hours=1))
    transitions.rescue(using)
    assert ids(claim(using)) == [one]


def test_one_that_is_sent_again_waits_for_what_is_being_sent_and_goes_before_the_rest(using: str) -> None:
    one, two, three = happens(using, "1", "1", "1")
    record(using, claim(using))
    second = claim(using)
    transitions.resend([one], using)
    assert claim(using) == [], "two of an object would be on their way"
    record(using, second)
    again = claim(using)
    assert ids(again) == [one]
    record(using, again)
    assert ids(claim(using)) == [three]
    assert ids(second) == [two]


def test_one_that_is_asked_for_by_its_id_keeps_the_order_too(using: str) -> None:
    one, two = happens(using, "1", "1")
    assert transitions.claim({"hook:1": 5}, using, [two]) == []
    assert ids(transitions.claim({"hook:1": 5}, using, [one])) == [one]


def test_many_of_one_object_do_not_keep_another_waiting_for_long(using: str) -> None:
    happens(using, *["1"] * 30)
    (other,) = happens(using, "2")
    assert other in ids(claim(using, free=2)), "what stands behind its first takes no slot"


def test_a_hook_that_asks_for_order_is_notified_each_object_s_changes_in_order(using: str, receiver: Receiver) -> None:
    Hook.objects.create(
        model=ContentType.objects.get_for_model(Vehicle), target=receiver.url, ordered=True, signals=["updated"]
    )
    buses = [Vehicle.objects.using(using).create(name=name) for name in ("a", "b")]
    for speed in range(5):
        for bus in buses:
            bus.seats = speed + 100
            bus.save()
    drain_outbox(using)
    notified = [delivery.json["object_serialization"] for delivery in receiver.deliveries]
    for bus in buses:
        assert [one["seats"] for one in notified if one["name"] == bus.name] == [100, 101, 102, 103, 104]


def test_an_ordering_key_names_the_object_however_long_its_key() -> None:
    def ordering_key(object_id: str) -> str | None:
        return ordering_key_of(Event(resource="example.vehicle", action="updated", object_id=object_id))

    assert ordering_key("7") == "example.vehicle:7"
    long = ordering_key("x" * 255)
    assert long is not None
    assert len(long) <= 255
    assert long != ordering_key("x" * 254 + "y")
