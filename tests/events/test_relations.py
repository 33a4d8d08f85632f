"""Changes of many-to-many relations are events of the model that has the field, however they are made."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import Any
from weakref import finalize

import pytest
from django.db.models.signals import m2m_changed

from heliostat import batch
from heliostat.events.event import Event
from heliostat.events.matching import registry
from heliostat.events.relations import BEFORE
from heliostat.testing import captured_events, subscribed
from tests.example.models import Call, Crossing, Line, Person, Tag, Tram, Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def test_relations_by_other_columns_than_primary_keys_are_published_with_primary_keys(using: str) -> None:
    Line.objects.using(using).create(code="unrelated")  # so that keys and numbers differ
    line = Line.objects.using(using).create(code="M1")
    one, two = (Crossing.objects.using(using).create(code=code) for code in ("A", "B"))
    with captured_events("example.line.*") as events:
        line.stops.add(one, through_defaults={"minute": 3})
        two.lines.add(line)
        line.stops.remove(one)
        two.lines.clear()
        line.stops.set([two])
        line.stops.clear()
    assert [event.changes["stops"] for event in events] == [
        ([], [one.pk]),
        ([one.pk], [one.pk, two.pk]),
        ([one.pk, two.pk], [two.pk]),
        ([two.pk], []),
        ([], [two.pk]),
        ([two.pk], []),
    ]
    assert {event.object_id for event in events} == {str(line.pk)}
    assert events[0].snapshot["stops"] == [one.pk]


def test_rows_of_a_model_between_two_others_are_published_as_themselves_too(using: str) -> None:
    line = Line.objects.using(using).create(code="M1")
    stop = Crossing.objects.using(using).create(code="A")
    with captured_events("example.call.*") as events:
        line.stops.add(stop)
        Call.objects.using(using).update(minute=2)
    assert [event.action for event in events] == ["created", "updated"]


def test_both_sides_of_a_friendship_are_published(using: str) -> None:
    ada, grace = (Person.objects.using(using).create(name=name) for name in ("Ada", "Grace"))
    with captured_events("example.person.*") as events:
        ada.friends.add(grace)
        grace.friends.clear()
    found = [(event.snapshot["name"], event.changes["friends"]) for event in events]
    assert found == [
        ("Ada", ([], [grace.pk])),
        ("Grace", ([], [ada.pk])),
        ("Grace", ([ada.pk], [])),
        ("Ada", ([grace.pk], [])),
    ]


def test_relations_of_a_child_reach_subscribers_of_the_child_and_of_its_parent(using: str) -> None:
    tram = Tram.objects.using(using).create(name="12")
    red = Tag.objects.using(using).create(word="red")
    with captured_events("example.vehicle.*") as of_vehicle, captured_events("example.tram.*") as of_tram:
        tram.tags.add(red)
    assert [event.type for event in (*of_vehicle, *of_tram)] == ["example.vehicle.updated", "example.tram.updated"]
    assert of_tram[0].changes == {"tags": ([], [red.pk])}


def test_relations_set_beside_a_creation_belong_to_it(using: str) -> None:
    red = Tag.objects.using(using).create(word="red")
    with captured_events("example.vehicle.*") as events, batch(using):
        bus = Vehicle.objects.using(using).create(name="55")
        bus.tags.add(red)
        bus.seats = 3
        bus.save()
    assert [event.type for event in events] == ["example.vehicle.created"]
    assert events[0].snapshot["tags"] == [red.pk]
    assert events[0].snapshot["seats"] == 3
    assert events[0].changes == {}


def test_unsaved_attributes_are_not_in_the_event_of_a_relation(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55")
    red = Tag.objects.using(using).create(word="red")
    bus.name = "unsaved"
    with captured_events("example.vehicle.*") as events:
        bus.tags.add(red)
    assert events[0].snapshot["name"] == "55"


def test_one_change_inside_another_is_published_with_its_own_old_and_new(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55")
    red, old = (Tag.objects.using(using).create(word=word) for word in ("red", "old"))

    def add_old(action: str, instance: Any, **_: Any) -> None:
        if action == "post_add" and not instance.tags.filter(pk=old.pk).exists():
            instance.tags.add(old)

    m2m_changed.connect(add_old, sender=Vehicle.tags.through)
    try:
        with captured_events("example.vehicle.*") as events:
            bus.tags.add(red)
    finally:
        m2m_changed.disconnect(add_old, sender=Vehicle.tags.through)
    assert events[-1].snapshot["tags"] == [red.pk, old.pk]
    assert [event.changes["tags"] for event in events] == [
        ([red.pk], [red.pk, old.pk]),
        ([], [red.pk, old.pk]),
    ]


def test_the_table_between_two_models_has_no_events_of_its_own(using: str) -> None:
    bus = Vehicle.objects.using(using).create(name="55")
    with captured_events("*") as events:
        bus.tags.add(Tag.objects.using(using).create(word="red"))
        Vehicle.tags.through.objects.using(using).all().delete()
    assert [event.type for event in events] == ["example.tag.created", "example.vehicle.updated"]


def test_a_change_of_what_is_subscribed_to_leaves_nothing_in_memory() -> None:
    """Django keeps a finalizer for each call that connects a receiver weakly, as long as the receiver lives."""

    def ignore(event: Event) -> None:
        """A subscriber of everything."""

    kept: list[int] = []
    for _ in range(2):
        with subscribed(ignore, "*"):
            assert registry.matcher.patterns.levels(Line)
        assert registry.matcher is not None
        kept.append(len(finalize._registry))  # type: ignore[attr-defined]
    assert kept[0] == kept[1]


def test_an_object_whose_relations_changed_is_pickled_and_copied_as_without_subscribers(using: str) -> None:
    """A cache keeps it; the table between the two models has no name that pickle could import it by."""
    bus = Vehicle.objects.using(using).create(name="55")
    word = Tag.objects.using(using).create(word="red")

    def fail(action: str, **_: Any) -> None:
        if action == "pre_add":
            raise LookupError

    with captured_events("example.vehicle.*"):
        bus.tags.add(word)
        word.vehicles.clear()
        assert BEFORE not in vars(bus._state)
        assert BEFORE not in vars(word._state)
        m2m_changed.connect(fail, sender=Vehicle.tags.through)
        try:
            for change in (lambda: bus.tags.add(word), lambda: word.vehicles.add(bus)):
                with pytest.raises(LookupError):
                    change()
        finally:
            m2m_changed.disconnect(fail, sender=Vehicle.tags.through)
    for one in (bus, word):
        for copied in (pickle.loads(pickle.dumps(one)), deepcopy(one)):
            assert copied == one
            assert not getattr(copied._state, BEFORE, [])
