"""Filters of subscribers: conditions as data, `{"changed": ["status"], "field": "status", "eq": "COMPLETED"}`.

A condition is an object, and all that it says must hold:

    "actions": ["created", …]                        one of these happened
    "changed": ["status", …]                         one of these fields changed
    "from_to": {"status": {"from": …, "to": …}}      each of these fields went from one value to another
    "field": "plan.colour", "eq": …                  a value of the object as it was then (or "payload", "argument")
    "all": […], "any": […], "not": {…}               of further conditions

Nothing of it is code: it is read once for each subscriber into functions whose time and depth are bounded.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.core.exceptions import ObjectDoesNotExist
from django.db import models

from heliostat.events.event import Event
from heliostat.events.operators import (
    ANYTHING,
    NO_VALUE,
    OPERATORS,
    Kind,
    key_of_value,
    keys_of_operands,
    kind_of_field,
    test_of,
)
from heliostat.events.secrets import points_to_secret, without_secrets_of_event
from heliostat.events.snapshot import Row, stored, visible_fields
from heliostat.events.subscriptions import Key
from heliostat.events.transactions import own_savepoint
from heliostat.events.types import model_of, problem_of
from heliostat.suggestions import did_you_mean

logger = logging.getLogger("heliostat.events")

Condition = Callable[[Event], bool]
ValueOf = Callable[[Event], Any]

LARGEST = 16 * 1024
DEEPEST = 8
MOST_CONDITIONS = 100
DEEPEST_PATH = 5
PARTS = ("actions", "changed", "from_to", "all", "any", "not")
SUBJECTS = {"field": "snapshot", "payload": "payload", "argument": "arguments"}
"""What a comparison may name, and the attribute of the event that holds it."""
WORDS = (*PARTS, *SUBJECTS, *OPERATORS)
ProblemOfAction = Callable[[str, str], "str | None"]


class FilterError(ValueError):
    """The filters are not valid; the message names the place."""


def _problem_of_action(action: str, resource: str) -> str | None:
    return problem_of(f"{resource}.{action}")


def compiled(
    filters: Any,
    patterns: Sequence[str],
    *,
    is_saved: bool = False,
    problem_of_action: ProblemOfAction = _problem_of_action,
) -> Condition | None:
    """Return the condition that filters stand for, for events of these types; None where there are no filters.

    Raises `FilterError` that names the place where filters can mean nothing. Saved filters may name actions that are no
    longer declared, which is no reason to ignore them. `problem_of_action` returns why a resource has no such action.
    """
    return None if filters == {} else _read(filters, patterns, None if is_saved else problem_of_action).holds


def guarded(condition: Condition, name: str) -> Condition:
    """Return a condition that does not raise in the host's save.

    Where it fails, it holds: the subscriber with this name can recognise an unwanted event, but not a missing one.
    """

    def holds(event: Event) -> bool:
        try:
            return condition(event)
        except Exception:
            what = (name, event.type, event.object_id, event.id)
            logger.exception("the condition of %s failed for %s %s (event %s), and it gets the event", *what)
            return True

    return holds


def key_of(filters: Any, patterns: Sequence[str]) -> Key | None:
    """Return an equality that must hold for these filters to hold, by which an index finds them; None without one."""
    try:
        return None if filters == {} else _read(filters, patterns, None).key
    except FilterError:  # who compiles them logs it
        return None


def model_of_patterns(patterns: Sequence[str]) -> type[models.Model] | None:
    """Return the model that all these event types are of; None where there are several or none."""
    resources = {pattern.rpartition(".")[0] for pattern in patterns}
    return model_of(resources.pop()) if len(resources) == 1 else None


class _Part(NamedTuple):
    """A condition, and an equality without which it does not hold, where it has one."""

    holds: Condition
    key: Key | None = None


def _read(filters: Any, patterns: Sequence[str], problem_of_action: ProblemOfAction | None) -> _Part:
    try:
        written = json.dumps(filters, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise FilterError(f"The filters are no JSON: {error}.") from error
    if len(written) > LARGEST:
        raise FilterError(f"The filters are longer than {LARGEST} bytes.")
    if rb"\u0000" in written:
        raise FilterError("The filters hold a NUL character, which no database keeps.")
    return _Reader(patterns, problem_of_action).condition(filters, "filters", 1)


class _Reader:
    """Reads one subscriber's filters; counts conditions as it goes."""

    def __init__(self, patterns: Sequence[str], problem_of_action: ProblemOfAction | None) -> None:
        self.patterns = patterns
        self.problem_of_action = problem_of_action
        self.conditions = 0
        self.model = model_of_patterns(patterns)
        self.kinds: dict[str, Kind] = {}
        self.many: set[str] = set()
        if self.model is not None:
            visible = {name for name, _, _ in visible_fields(self.model)}
            fields = self.model._meta.concrete_fields
            self.kinds = {each.name: kind_of_field(each) for each in fields if each.name in visible}
            self.many = {each.name for each in self.model._meta.many_to_many}

    def condition(self, data: Any, place: str, depth: int) -> _Part:
        """Read an object; all that it says must hold."""
        self.conditions += 1
        if depth > DEEPEST:
            raise _wrong(place, f"conditions are at most {DEEPEST} deep")
        if self.conditions > MOST_CONDITIONS:
            raise _wrong(place, f"there are at most {MOST_CONDITIONS} conditions")
        if not isinstance(data, dict) or not data:
            raise _wrong(place, f"a condition is an object with at least one of {', '.join(WORDS)}")
        if unknown := next((name for name in data if name not in WORDS), None):
            raise _wrong(place, f"there is no “{unknown}”.{did_you_mean(str(unknown), WORDS)}")
        parts = [self._part(name, data[name], f"{place}.{name}", depth) for name in PARTS if name in data]
        if comparison := {name: value for name, value in data.items() if name not in PARTS}:
            parts.append(self._comparison(comparison, place))
        return _all(parts)

    def _part(self, name: str, data: Any, place: str, depth: int) -> _Part:
        if name == "actions":
            return self._actions(_words(data, place), place)
        if name == "changed":
            names = frozenset(self._field(one, place) for one in _words(data, place))
            return _Part(lambda event: not names.isdisjoint(event.changes))
        if name == "from_to":
            return self._from_to(data, place)
        if name == "not":
            part = self.condition(data, place, depth + 1)
            return _Part(lambda event: not part.holds(event))
        if not isinstance(data, list) or not data:
            raise _wrong(place, "give a list of at least one condition")
        parts = [self.condition(one, f"{place}[{number}]", depth + 1) for number, one in enumerate(data)]
        return _all(parts) if name == "all" else _any(parts)

    def _actions(self, actions: frozenset[str], place: str) -> _Part:
        for action in actions:
            matching = [one for one in self.patterns if fnmatchcase(action, one.rpartition(".")[2])]
            if not matching:
                raise _wrong(place, f"the subscriber is not notified of “{action}”: its event types leave it out")
            if self.problem_of_action is None or any(
                one.endswith(f".{action}") for one in matching
            ):  # named by its event types, too
                continue
            problems = [self.problem_of_action(action, one.rpartition(".")[0] or "*") for one in matching]
            if all(problems):
                raise _wrong(place, str(problems[0]))
        return _Part(lambda event: event.action in actions)

    def _from_to(self, data: Any, place: str) -> _Part:
        if not isinstance(data, dict) or not data:
            raise _wrong(place, 'give an object such as {"status": {"from": "PENDING", "to": "COMPLETED"}}')
        parts: list[_Part] = []
        for name, step in data.items():
            field, kind = self._compared(name, place)
            if not isinstance(step, dict) or not step or step.keys() - {"from", "to"}:
                raise _wrong(f"{place}.{field}", 'give an object with "from", "to", or both')
            for end in (end for end in ("to", "from") if end in step):
                operator = "in" if isinstance(step[end], list) else "eq"  # a list stands for any of its values
                here, value_of = f"{place}.{field}.{end}", _of_change(field, end)
                parts.append(_test(f"{end} {field}", kind, value_of, operator, step[end], here))
        return _all(parts)

    def _comparison(self, data: dict[str, Any], place: str) -> _Part:
        subjects = [name for name in SUBJECTS if name in data]
        operators = [name for name in OPERATORS if name in data]
        if len(subjects) != 1 or not operators:
            one, more = ", ".join(SUBJECTS), ", ".join(OPERATORS)
            raise _wrong(place, f"a comparison has one of {one}, and at least one of {more}")
        (subject,) = subjects
        path, here = data[subject], f"{place}.{subject}"
        names = path.split(".") if isinstance(path, str) else []
        if not all(names) or not 1 <= len(names) <= DEEPEST_PATH:
            raise _wrong(here, f"give a name such as status, or plan.colour, of at most {DEEPEST_PATH} parts")
        kind, value_of = ANYTHING, _of_event(SUBJECTS[subject])
        if subject == "field":
            first, *names = names
            first, kind = self._compared(first, here)
            if names and kind is not ANYTHING:
                raise _wrong(here, f"“{first}” has nothing inside that is known; of a reference, only its key is")
            value_of = _of_snapshot(first)
        value_of = _inside(value_of, names) if names else value_of
        return _all(
            [_test(f"{subject} {path}", kind, value_of, name, data[name], f"{place}.{name}") for name in operators]
        )

    def _field(self, name: str, place: str) -> str:
        """Return the name of a field that subscribers may see; of any, where the model is not known."""
        if self.model is None:
            return name
        if name == "pk" and self.model._meta.pk is not None:
            return self.model._meta.pk.name
        if name in self.kinds or name in self.many:
            return name
        if any(each.name == name and points_to_secret(each, self.model) for each in self.model._meta.concrete_fields):
            raise _wrong(place, f"“{name}” is a secret, which subscribers are not sent")
        known = [*self.kinds, *self.many]
        raise _wrong(place, f"{self.model.__name__} has no field “{name}”.{did_you_mean(name, known)}")

    def _compared(self, name: str, place: str) -> tuple[str, Kind]:
        """Return the name of a field with one value, and how that is read."""
        if (name := self._field(name, place)) in self.many:
            raise _wrong(place, f"“{name}” is many objects: a filter may only ask whether it changed")
        return name, self.kinds.get(name, ANYTHING)


def _wrong(place: str, what: str) -> FilterError:
    return FilterError(f"{place}: {what}")


def _words(data: Any, place: str) -> frozenset[str]:
    if not isinstance(data, list) or not data or not all(isinstance(word, str) and word for word in data):
        raise _wrong(place, "give a list of at least one name")
    return frozenset(data)


def _test(subject: str, kind: Kind, value_of: ValueOf, operator: str, operand: Any, place: str) -> _Part:
    """Return the test of a value by an operator, with a key where that is an equality (`eq`, `in`)."""
    try:
        test = test_of(kind, operator, operand)
    except ValueError as error:
        raise _wrong(place, str(error)) from error

    def holds(event: Event) -> bool:
        value = value_of(event)
        return value is not NO_VALUE and test(value)

    values = keys_of_operands(kind, operand if operator == "in" else [operand]) if operator in ("eq", "in") else None
    if values is None:
        return _Part(holds)
    return _Part(holds, Key(f"{subject} as {kind.words}", lambda event: key_of_value(kind, value_of(event)), values))


def _of_snapshot(name: str) -> ValueOf:
    def value_of(event: Event) -> Any:
        try:
            return event.snapshot[name]
        except KeyError:
            return _unloaded(event, name)

    return value_of


def _unloaded(event: Event, name: str) -> Any:
    """Return the value of a field that the object was loaded without (`defer`); None where there is no such field."""
    instance, model = event.instance, model_of(event.resource)
    if model is None or not isinstance(instance, models.Model):
        return None
    if all(name != visible for visible, _, _ in visible_fields(model)):
        return None
    with own_savepoint():
        row = _row(event.id, model, instance.pk, event.using)
    if row is None:
        raise ObjectDoesNotExist(f"{event.resource} {event.object_id} is gone, and was loaded without {name!r}.")
    return row.get(name)


@lru_cache(maxsize=16)
def _row(_event_id: UUID, model: type[models.Model], pk: Any, using: str) -> Row | None:
    """Return the row of an event's object. It is read once for an event, whatever filters ask for."""
    return stored(model, pk, using)


def _of_event(part: str) -> ValueOf:
    """Return what came with an event, as it would be sent."""
    return lambda event: without_secrets_of_event(event.resource, part, getattr(event, part))


def _of_change(name: str, end: str) -> ValueOf:
    def value_of(event: Event) -> Any:
        change = event.changes.get(name)
        return NO_VALUE if change is None else change[end == "to"]

    return value_of


def _inside(value_of: ValueOf, names: Sequence[str]) -> ValueOf:
    def inner_value_of(event: Event) -> Any:
        value = value_of(event)
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value

    return inner_value_of


def _all(parts: list[_Part]) -> _Part:
    """Return a part that holds if all hold. The one with the equality goes first: if it fails, no other is tested."""
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
