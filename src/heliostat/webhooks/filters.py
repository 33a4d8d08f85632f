"""Filters of hooks: conditions as data, `{"changed": ["status"], "field": "status", "eq": "COMPLETED"}`.

A condition is an object, and all that it says must hold:

    "actions": ["created", …]                        one of these happened
    "changed": ["status", …]                         one of these fields changed
    "from_to": {"status": {"from": …, "to": …}}      each of these fields went from one value to another
    "field": "plan.colour", "eq": …                  a value of the object as it was then (or "payload", "argument")
    "all": […], "any": […], "not": {…}               of further conditions

Nothing of it is code: it is read once for each hook into functions whose time and depth are bounded.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from django.db import models

from heliostat.conf import did_you_mean
from heliostat.events.event import Event
from heliostat.events.secrets import points_to_secret, without_secrets_of_event
from heliostat.events.snapshot import visible_fields
from heliostat.events.subscriptions import Key
from heliostat.events.transactions import own_savepoint
from heliostat.events.types import model_of
from heliostat.webhooks.event_patterns import problem_of_action
from heliostat.webhooks.exceptions import InvalidFiltersError
from heliostat.webhooks.operators import (
    ANYTHING,
    NO_VALUE,
    OPERATORS,
    Kind,
    Test,
    kind_of_field,
    stand_in,
    test_of,
    values_of,
)
from heliostat.webhooks.template_context import value_at

Condition = Callable[[Event], bool]

LARGEST = 16 * 1024
DEEPEST = 8
MOST_CONDITIONS = 100
DEEPEST_PATH = 5

ValueOf = Callable[[Event], Any]


def compiled(filters: Any, patterns: Sequence[str], *, is_saved: bool = False) -> Condition | None:
    """The condition that filters stand for, for events of these types; None where there are none.

    Raises `InvalidFiltersError` that names the place where filters can mean nothing. Those that are saved may name
    actions that are declared no longer, which is no reason to ignore them.
    """
    return None if filters == {} else _read(filters, patterns, is_saved).holds


def key_of(filters: Any, patterns: Sequence[str]) -> Key | None:
    """An equality that must hold for these filters to hold, by which an index finds them; None where there is none."""
    try:
        return None if filters == {} else _read(filters, patterns, True).key
    except InvalidFiltersError:  # `condition_for()` says so, when it is asked
        return None


class _Part(NamedTuple):
    """A condition, and an equality without which it does not hold, where it has one."""

    holds: Condition
    key: Key | None = None


def _read(filters: Any, patterns: Sequence[str], is_saved: bool) -> _Part:
    try:
        written = json.dumps(filters, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidFiltersError(f"The filters are no JSON: {error}.") from error
    if len(written) > LARGEST:
        raise InvalidFiltersError(f"The filters are longer than {LARGEST} bytes.")
    if rb"\u0000" in written:
        raise InvalidFiltersError("The filters hold a NUL character, which no database keeps.")
    return _Reader(patterns, is_saved).condition(filters, "filters")


class _Reader:
    """Reads one hook's filters; counts conditions as it goes."""

    def __init__(self, patterns: Sequence[str], is_saved: bool) -> None:
        self.patterns = patterns
        self.is_saved = is_saved
        self.fields = _Fields(model_of_patterns(patterns))
        self.conditions = 0
        self.parts: dict[str, Callable[[Any, str, int], _Part]] = {
            "actions": self._actions,
            "changed": self._changed,
            "from_to": self._from_to,
            "all": lambda data, place, depth: _all(self._each(data, place, depth)),
            "any": lambda data, place, depth: _any(self._each(data, place, depth)),
            "not": lambda data, place, depth: _not(self.condition(data, place, depth + 1)),
        }
        self.subjects: dict[str, Callable[[list[str], str], tuple[Kind, ValueOf]]] = {
            "field": self._field,
            "payload": lambda names, _: self._of_event("payload", names),
            "argument": lambda names, _: self._of_event("arguments", names),
        }

    def condition(self, data: Any, place: str, depth: int = 1) -> _Part:
        """All that an object says."""
        self._count(place, depth)
        known = (*self.parts, *self.subjects, *OPERATORS)
        if not isinstance(data, dict) or not data:
            raise _wrong(place, f"a condition is an object with at least one of {', '.join(known)}")
        if unknown := next((name for name in data if name not in known), None):
            raise _wrong(place, f"there is no “{unknown}”.{did_you_mean(str(unknown), known)}")
        parts = [read(data[name], f"{place}.{name}", depth) for name, read in self.parts.items() if name in data]
        if comparison := {name: value for name, value in data.items() if name not in self.parts}:
            parts.append(self._comparison(comparison, place))
        return _all(parts)

    def _count(self, place: str, depth: int) -> None:
        self.conditions += 1
        if depth > DEEPEST:
            raise _wrong(place, f"conditions are at most {DEEPEST} deep")
        if self.conditions > MOST_CONDITIONS:
            raise _wrong(place, f"there are at most {MOST_CONDITIONS} conditions")

    def _each(self, data: Any, place: str, depth: int) -> list[_Part]:
        if not isinstance(data, list) or not data:
            raise _wrong(place, "give a list of at least one condition")
        return [self.condition(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(data)]

    def _actions(self, data: Any, place: str, _: int) -> _Part:
        for action in (actions := _words(data, place)):
            matching = [one for one in self.patterns if fnmatchcase(action, one.rpartition(".")[2])]
            if not matching:
                raise _wrong(place, f"the hook is not notified of “{action}”: its signals leave it out")
            if self.is_saved or any(one.endswith(f".{action}") for one in matching):  # named by its signals, too
                continue
            problems = [problem_of_action(action, one.rpartition(".")[0] or "*") for one in matching]
            if all(problems):
                raise _wrong(place, str(problems[0]))
        return _Part(lambda event: event.action in actions)

    def _changed(self, data: Any, place: str, _: int) -> _Part:
        names = frozenset(self.fields.named(name, place) for name in _words(data, place))
        return _Part(lambda event: not names.isdisjoint(event.changes))

    def _from_to(self, data: Any, place: str, _: int) -> _Part:
        if not isinstance(data, dict) or not data:
            raise _wrong(place, 'give an object such as {"status": {"from": "PENDING", "to": "COMPLETED"}}')
        return _all([self._step(name, step, place) for name, step in data.items()])

    def _step(self, name: str, step: Any, place: str) -> _Part:
        name, kind = self.fields.compared(name, place)
        place = f"{place}.{name}"
        if not isinstance(step, dict) or not step or step.keys() - {"from", "to"}:
            raise _wrong(place, 'give an object with "from", "to", or both')
        return _all([self._end(name, kind, end, step[end], f"{place}.{end}") for end in ("to", "from") if end in step])

    def _end(self, name: str, kind: Kind, end: str, wanted: Any, place: str) -> _Part:
        """One end of a change; a list stands for any of its values."""
        operator, value_of = "in" if isinstance(wanted, list) else "eq", _of_change(name, end)
        condition = _of_value(value_of, _test(kind, operator, wanted, place))
        return _Part(condition, _key(f"{end} {name}", kind, value_of, {operator: wanted}))

    def _comparison(self, data: dict[str, Any], place: str) -> _Part:
        subjects = [name for name in self.subjects if name in data]
        operators = [name for name in OPERATORS if name in data]
        if len(subjects) != 1 or not operators:
            one, more = ", ".join(self.subjects), ", ".join(OPERATORS)
            raise _wrong(place, f"a comparison has one of {one}, and at least one of {more}")
        (subject,) = subjects
        names = _path(data[subject], f"{place}.{subject}")
        kind, value_of = self.subjects[subject](names, f"{place}.{subject}")
        tests = (_test(kind, name, data[name], f"{place}.{name}") for name in operators)
        whole = _all([_Part(_of_value(value_of, test)) for test in tests])
        return _Part(whole.holds, _key(f"{subject} {'.'.join(names)}", kind, value_of, data))

    def _of_event(self, part: str, names: list[str]) -> tuple[Kind, ValueOf]:
        """What came with an event, as it would be sent."""

        def value_of(event: Event) -> Any:
            return without_secrets_of_event(event.resource, part, getattr(event, part))

        return ANYTHING, _inside(value_of, names)

    def _field(self, names: list[str], place: str) -> tuple[Kind, ValueOf]:
        first, *inner = names
        first, kind = self.fields.compared(first, place)
        if not inner:
            return kind, _from_snapshot(first)
        if kind is not ANYTHING:
            raise _wrong(place, f"“{first}” has nothing inside that is known; of a reference, only its key is")
        return ANYTHING, _inside(_from_snapshot(first), inner)


class _Fields:
    """The fields of a model that may be named; of any model, where it is not known which it will be."""

    def __init__(self, model: type[models.Model] | None) -> None:
        self.model = model
        self.kinds: dict[str, Kind] = {}
        self.many: set[str] = set()
        if model is not None:
            visible = {name for name, _, _ in visible_fields(model)}
            self.kinds = {
                each.name: kind_of_field(each) for each in model._meta.concrete_fields if each.name in visible
            }
            self.many = {each.name for each in model._meta.many_to_many}

    def named(self, name: str, place: str) -> str:
        """The name of a field that hooks may see; raises `InvalidFiltersError` where there is none."""
        if self.model is None:
            return name
        if name == "pk" and self.model._meta.pk is not None:
            return self.model._meta.pk.name
        if name in self.kinds or name in self.many:
            return name
        if any(each.name == name and points_to_secret(each, self.model) for each in self.model._meta.concrete_fields):
            raise _wrong(place, f"“{name}” is a secret, which hooks are not sent")
        known = [*self.kinds, *self.many]
        raise _wrong(place, f"{self.model.__name__} has no field “{name}”.{did_you_mean(name, known)}")

    def compared(self, name: str, place: str) -> tuple[str, Kind]:
        """The same, of a field with one value, and how that is compared."""
        if (name := self.named(name, place)) in self.many:
            raise _wrong(place, f"“{name}” is many objects: a filter may only ask whether it changed")
        return name, self.kinds.get(name, ANYTHING)


def model_of_patterns(patterns: Sequence[str]) -> type[models.Model] | None:
    """The model that all these event types are of, or None where there are several or none."""
    resources = {pattern.rpartition(".")[0] for pattern in patterns}
    return model_of(resources.pop()) if len(resources) == 1 else None


def _wrong(place: str, what: str) -> InvalidFiltersError:
    return InvalidFiltersError(f"{place}: {what}")


def _words(data: Any, place: str) -> frozenset[str]:
    if not isinstance(data, list) or not data or not all(isinstance(word, str) and word for word in data):
        raise _wrong(place, "give a list of at least one name")
    return frozenset(data)


def _path(data: Any, place: str) -> list[str]:
    names = data.split(".") if isinstance(data, str) else []
    if not all(names) or not 1 <= len(names) <= DEEPEST_PATH:
        raise _wrong(place, f"give a name such as status, or plan.colour, of at most {DEEPEST_PATH} parts")
    return names


def _test(kind: Kind, name: str, operand: Any, place: str) -> Test:
    try:
        return test_of(kind, name, operand)
    except ValueError as error:
        raise _wrong(place, str(error)) from error


def _from_snapshot(name: str) -> ValueOf:
    def value_of(event: Event) -> Any:
        try:
            return event.snapshot[name]
        except KeyError:  # the object was loaded without this field (`defer`)
            with own_savepoint():
                return value_at(event, ("instance", name))

    return value_of


def _inside(value_of: ValueOf, names: Sequence[str]) -> ValueOf:
    def inner_value_of(event: Event) -> Any:
        value = value_of(event)
        for name in names:
            value = value.get(name) if type(value) is dict or isinstance(value, Mapping) else None
        return value

    return inner_value_of


def _of_value(value_of: ValueOf, test: Test) -> Condition:
    def holds(event: Event) -> bool:
        value = value_of(event)
        return value is not NO_VALUE and test(value)

    return holds


def _key(name: str, kind: Kind, value_of: ValueOf, data: Mapping[str, Any]) -> Key | None:
    """The key of a comparison that names an equality (`eq`, `in`)."""
    operator = next((one for one in ("eq", "in") if one in data), None)
    values = None if operator is None else values_of(kind, data[operator] if operator == "in" else [data[operator]])
    if values is None:
        return None
    stands_for = stand_in(kind)
    return Key(f"{name} as {kind.words}, {kind.type.__name__}", lambda event: stands_for(value_of(event)), values)


def _of_change(name: str, end: str) -> ValueOf:
    def value_of(event: Event) -> Any:
        change = event.changes.get(name)
        return NO_VALUE if change is None else change[end == "to"]

    return value_of


def _all(parts: list[_Part]) -> _Part:
    """The part with the equality goes first: what it rules out is asked nothing more, and so cannot fail of it."""
    keyed = [part for part in parts if part.key is not None]
    first = min(keyed, key=lambda part: len(part.key.values) if part.key else 0, default=parts[0])
    if len(parts) == 1:
        return first
    conditions = [first.holds, *(part.holds for part in parts if part is not first)]

    def hold(event: Event) -> bool:
        for condition in conditions:  # noqa: SIM110  a generator would take twice as long
            if not condition(event):
                return False
        return True

    return _Part(hold, first.key)


def _any(parts: list[_Part]) -> _Part:
    conditions = [part.holds for part in parts]

    def holds(event: Event) -> bool:
        for condition in conditions:  # noqa: SIM110
            if condition(event):
                return True
        return False

    keys = [part.key for part in parts if part.key is not None]
    if len(keys) == len(parts) and len({key.name for key in keys}) == 1:
        return _Part(holds, keys[0]._replace(values=frozenset().union(*(key.values for key in keys))))
    return _Part(holds)


def _not(part: _Part) -> _Part:
    return _Part(lambda event: not part.holds(event))
