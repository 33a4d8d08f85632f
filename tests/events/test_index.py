"""The index finds what a look at every subscription would find."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from heliostat.events.event import Event, Phase
from heliostat.events.filters import Condition, key_of
from heliostat.events.shards import Groups, Shards
from heliostat.events.subscriptions import Interest, Matcher, Subscription
from heliostat.webhooks.filters import compiled

ANY, VEHICLE = ("*.updated",), ("example.vehicle.updated",)
VALUES: dict[str, list[Any]] = {
    "name": ["bus", "tram", "", "1", None],
    "seats": [1, 2, 1.0, 0, -1, None],
    "price": ["1.50", 1.5, 2, "2.00", None],
    "bought": ["2026-11-21T18:00:00Z", "2026-11-21T19:00:00+01:00", "2026-11-21", None],
    "plan.colour": ["red", 1, 1.0, True, False, 0, None, ["red"], {"a": 1}],
}
STORED: dict[str, list[Any]] = {
    "name": ["bus", "tram", "", "1", None, 5],
    "seats": [1, 2, 0, -1, True, "1", decimal.Decimal("1.0"), float("nan"), None],
    "price": [decimal.Decimal("1.50"), decimal.Decimal("2"), decimal.Decimal("NaN"), 1.5, "2.00", "x", None],
    "bought": [
        datetime.datetime(2026, 11, 21, 18, tzinfo=datetime.UTC),
        datetime.datetime(2026, 11, 21, 18, tzinfo=datetime.timezone(datetime.timedelta(hours=1))),
        datetime.date(2026, 11, 21),
        "2026-11-21T18:00:00Z",
        None,
    ],
    "plan": [{"colour": value} for value in ["red", 1, 1.0, True, False, 0, None, ["red"], {"a": 1}, (), b"x"]]
    + [None, "red", []],
}


def comparisons(field: str) -> st.SearchStrategy[dict[str, Any]]:
    value = st.sampled_from(VALUES[field])
    return st.one_of(
        st.builds(lambda one: {"field": field, "eq": one}, value),
        st.builds(lambda some: {"field": field, "in": some}, st.lists(value, min_size=1, max_size=3)),
        st.builds(lambda one: {"field": field, "ne": one}, value),
        st.just({"field": field, "isnull": False}),
    )


FIELDS = st.sampled_from(sorted(VALUES))
STEPS = FIELDS.filter(lambda field: "." not in field).flatmap(
    lambda field: st.dictionaries(st.sampled_from(["from", "to"]), st.sampled_from(VALUES[field]), min_size=1).map(
        lambda step: {"from_to": {field: step}}
    )
)
LEAVES = st.one_of(FIELDS.flatmap(comparisons), STEPS, st.just({"changed": ["name"]}))
FILTERS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"all": some}),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: {"any": some}),
        inner.map(lambda one: {"not": one}),
    ),
    max_leaves=5,
)
ROWS = st.fixed_dictionaries({name: st.sampled_from(values) for name, values in STORED.items()})


def seen_when_it_fails(condition: Condition | None) -> Condition | None:
    """As the filters of a hook: what fails keeps nothing from it."""

    def holds(event: Event) -> bool:
        try:
            return condition is None or condition(event)
        except Exception:
            return True

    return holds


class Filtered(Interest):
    __slots__ = ("filters",)

    def __init__(self, order: int, patterns: tuple[str, ...], filters: Any, object_id: str | None = None) -> None:
        super().__init__(order, patterns, object_id, None if object_id else key_of(filters, patterns))
        self.filters = filters

    def make(self) -> tuple[Subscription, ...]:
        condition = seen_when_it_fails(compiled(self.filters, self.patterns))
        return tuple(
            Subscription(name=f"hook:{self.order}", pattern=one, phase=Phase.DURABLE, condition=condition)
            for one in self.patterns
        )


def event_of(before: Mapping[str, Any], after: Mapping[str, Any], object_id: str = "1") -> Event:
    changes = {name: (before[name], after[name]) for name in after if before[name] is not after[name]}
    return Event(resource="example.vehicle", action="updated", object_id=object_id, snapshot=after, changes=changes)


def scanned(interests: list[Filtered], event: Event) -> list[str]:
    return [
        f"hook:{one.order}"
        for one in sorted(interests, key=lambda one: one.order)
        if one.object_id in (None, event.object_id) and one.subscriptions[0].wants(event)
    ]


INTERESTS = st.lists(
    st.tuples(st.sampled_from([ANY, VEHICLE, VEHICLE + ANY]), FILTERS | st.just({}), st.sampled_from([None, "1", "2"])),
    max_size=12,
)


@settings(max_examples=200)
@given(specs=INTERESTS, before=ROWS, after=ROWS, gone=st.sets(st.integers(0, 11)), first=st.integers(0, 12))
def test_what_is_found_is_what_a_look_at_each_would_find(
    specs: list[Any], before: Any, after: Any, gone: set[int], first: int
) -> None:
    """However the index came about, and whatever was removed from it again."""
    made = [Filtered(order, *spec) for order, spec in enumerate(specs)]
    event = event_of(before, after)
    matcher = Matcher().replaced({one.order: one for one in made[:first]}).replaced({o.order: o for o in made[first:]})
    assert [one.name for one in matcher.match(event)] == scanned(made, event)
    fewer = matcher.replaced(dict.fromkeys(gone))
    assert [one.name for one in fewer.match(event)] == scanned([one for one in made if one.order not in gone], event)
    assert [one.name for one in matcher.match(event)] == scanned(made, event), "nobody who reads it sees it change"
    empty = fewer.replaced(dict.fromkeys(range(len(made))))
    assert not empty.match(event)
    assert not empty.patterns.names


@given(
    st.dictionaries(st.integers(0, 2000), st.integers()),
    st.lists(st.dictionaries(st.integers(0, 2000), st.none() | st.integers(), max_size=300), max_size=4),
)
def test_a_map_that_is_replaced_is_as_a_dict_that_is_changed(start: dict[int, int], steps: list[Any]) -> None:
    shards, plain = Shards(start), dict(start)
    for step in steps:
        before, items = shards, dict(shards.items())
        shards = shards.replaced(step)
        plain.update(step)
        plain = {key: value for key, value in plain.items() if value is not None}
        assert dict(shards.items()) == plain
        assert len(shards) == len(plain)
        assert dict(before.items()) == items


def test_a_group_keeps_each_of_its_values_once() -> None:
    one, two, three = object(), object(), object()
    groups = Groups[str, object]().replaced((), [("a", one), ("a", two), ("b", three)])
    assert set(groups.get("a")) == {one, two}
    groups = groups.replaced([("a", one)], [("a", three)])
    assert set(groups.get("a")) == {two, three}
    assert len(groups.replaced([("a", two), ("a", three), ("b", three)], ())) == 0


@pytest.mark.parametrize(
    ("filters", "is_keyed"),
    [
        ({"field": "name", "eq": "bus"}, True),
        ({"field": "name", "in": ["bus", "tram"]}, True),
        ({"field": "name", "eq": None}, True),
        ({"all": [{"changed": ["name"]}, {"field": "name", "eq": "bus"}]}, True),
        ({"any": [{"field": "name", "eq": "bus"}, {"field": "name", "eq": "tram"}]}, True),
        ({"from_to": {"name": {"to": "bus"}}}, True),
        ({"changed": ["name"], "field": "name", "eq": "bus", "ne": "tram"}, True),
        ({"field": "plan.colour", "eq": "red"}, True),
        ({"payload": "kind", "eq": "storm"}, True),
        ({"field": "name", "ne": "bus"}, False),
        ({"not": {"field": "name", "eq": "bus"}}, False),
        ({"any": [{"field": "name", "eq": "bus"}, {"field": "seats", "eq": 1}]}, False),
        ({"field": "plan.colour", "eq": ["red"]}, False),
        ({}, False),
    ],
)
def test_filters_that_name_an_equality_are_found_by_it(filters: Any, is_keyed: bool) -> None:
    assert (key_of(filters, VEHICLE) is not None) is is_keyed


def test_ten_thousand_filters_cost_what_one_costs() -> None:
    """Those whose equality does not hold are not asked."""
    asked: list[int] = []

    class Counted(Filtered):
        __slots__ = ()

        def make(self) -> tuple[Subscription, ...]:
            asked.append(self.order)
            return super().make()

    made = [Counted(number, VEHICLE, {"field": "name", "eq": f"bus {number}"}) for number in range(10_000)]
    matcher = Matcher().replaced({one.order: one for one in made})
    event = Event(resource="example.vehicle", action="updated", object_id="1", snapshot={"name": "bus 77"})
    assert [one.name for one in matcher.match(event)] == ["hook:77"]
    assert asked == [77]


def test_subscribers_are_notified_in_one_order_each_once() -> None:
    def interest(order: int, *patterns: str) -> Interest:
        return Filtered(order, patterns, {})

    made = [interest(3, "*"), interest(1, "example.*", "*.updated"), interest(2, "example.vehicle.updated")]
    matcher = Matcher().replaced({one.order: one for one in made})
    event = Event(resource="example.vehicle", action="updated", object_id="1")
    assert [one.name for one in matcher.match(event)] == ["hook:1", "hook:2", "hook:3"]
