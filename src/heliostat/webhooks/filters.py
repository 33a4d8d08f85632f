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
import logging
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import models

from heliostat.conf import conf, did_you_mean
from heliostat.events.databases import database_of
from heliostat.events.event import Event
from heliostat.events.resources import ACTIONS, model_of
from heliostat.events.savepoint import own_savepoint
from heliostat.events.secrets import generic_secrets, points_to_secret, without_secrets_of_event
from heliostat.events.snapshot import told_fields
from heliostat.events.subscriptions import Key
from heliostat.events.types import NO_READS, READ, REMEDY, WILD, actions_of
from heliostat.webhooks.comparing import (
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
from heliostat.webhooks.exceptions import InvalidFiltersError
from heliostat.webhooks.patterns import of_relations_alone, row_actions

if TYPE_CHECKING:
    from heliostat.webhooks.models import Hook

logger = logging.getLogger("heliostat.webhooks")

Condition = Callable[[Event], bool]

LARGEST = 16 * 1024
DEEPEST = 8
MOST_CONDITIONS = 100
DEEPEST_PATH = 5

ValueOf = Callable[[Event], Any]


def check_filters(filters: Any, patterns: Sequence[str]) -> None:
    """Raises `InvalidFiltersError` that names the place where filters can mean nothing."""
    try:
        compiled(filters, patterns)
    except InvalidFiltersError:  # unless it names an action that only the row of a custom signal declares
        compiled(filters, patterns, more_actions=row_actions())


def compiled(
    filters: Any, patterns: Sequence[str], *, more_actions: frozenset[str] | None = frozenset()
) -> Condition | None:
    """The condition that filters stand for, for events of these types; None where there are none.

    Raises `InvalidFiltersError` that names the place of what is wrong. `more_actions` are declared beside the usual
    ones; with None any action will do: it may be declared no longer, which is no reason to ignore saved filters.
    """
    return None if filters == {} else _read(filters, patterns, more_actions).holds


def key_of(filters: Any, patterns: Sequence[str]) -> Key | None:
    """An equality that must hold for these filters to hold, by which an index finds them; None where there is none."""
    try:
        return None if filters == {} else _read(filters, patterns, None).key
    except InvalidFiltersError:  # `condition_for()` says so, when it is asked
        return None


class _Part(NamedTuple):
    """A condition, and an equality without which it does not hold, where it has one."""

    holds: Condition
    key: Key | None = None


def _read(filters: Any, patterns: Sequence[str], more_actions: frozenset[str] | None) -> _Part:
    try:
        written = json.dumps(filters, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidFiltersError(f"The filters are no JSON: {error}.") from error
    if len(written) > LARGEST:
        raise InvalidFiltersError(f"The filters are longer than {LARGEST} bytes.")
    if rb"\u0000" in written:
        raise InvalidFiltersError("The filters hold a NUL character, which no database keeps.")
    return _Reader(patterns, more_actions).condition(filters, "filters")


class _Reader:
    """Reads one hook's filters; counts conditions as it goes."""

    def __init__(self, patterns: Sequence[str], more_actions: frozenset[str] | None) -> None:
        self.patterns = patterns
        self.more_actions = more_actions
        self.fields = _Fields(_model_of(patterns))
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
            if action + "d" in ACTIONS or action.lower() in set(ACTIONS) - {action}:
                raise _wrong(place, f"nothing is “{action}”.{did_you_mean(action, ACTIONS)}")
            if not any(fnmatchcase(action, pattern.rpartition(".")[2]) for pattern in self.patterns):
                raise _wrong(place, f"the hook is not told of “{action}”: its signals leave it out")
            if self.more_actions is not None and action not in (known := self._known_actions(self.more_actions)):
                raise _wrong(place, f"“{action}” is no action of this hook's events{_what_else(action, known)}")
        return _Part(lambda event: event.action in actions)

    def _known_actions(self, more: frozenset[str]) -> list[str]:
        """The actions that the hook's events can have; those that its signals name are checked there."""
        known = (actions_of(one, more_actions=more) if WILD.search(one) else [one] for one in self.patterns)
        return list(dict.fromkeys(name.rpartition(".")[2] for names in known for name in names))

    def _changed(self, data: Any, place: str, _: int) -> _Part:
        names = frozenset(self.fields.named(name, place) for name in _words(data, place))
        return _Part(lambda event: not names.isdisjoint(event.changes))

    def _from_to(self, data: Any, place: str, _: int) -> _Part:
        if not isinstance(data, dict) or not data:
            raise _wrong(place, 'give an object such as {"status": {"from": "PENDING", "to": "COMPLETED"}}')
        return _all([self._step(name, step, place) for name, step in data.items()])

    def _step(self, name: str, step: Any, place: str) -> _Part:
        name = self.fields.named(name, place)
        kind = self.fields.kind(name, place)
        place = f"{place}.{name}"
        if not isinstance(step, dict) or not step or step.keys() - {"from", "to"}:
            raise _wrong(place, 'give an object with "from", "to", or both')
        was, became = (_one_of(kind, step[end], f"{place}.{end}") if end in step else None for end in ("from", "to"))

        def took_place(event: Event) -> bool:
            change = event.changes.get(name)
            return change is not None and (was is None or was(change[0])) and (became is None or became(change[1]))

        end = "to" if "to" in step else "from"
        return _Part(took_place, _key(f"{end} {name}", kind, _of_change(name, end), _equality_of_end(step[end])))

    def _comparison(self, data: dict[str, Any], place: str) -> _Part:
        subjects = [name for name in self.subjects if name in data]
        operators = [name for name in OPERATORS if name in data]
        if len(subjects) != 1 or not operators:
            one, more = ", ".join(self.subjects), ", ".join(OPERATORS)
            raise _wrong(place, f"a comparison has one of {one}, and at least one of {more}")
        (subject,) = subjects
        names = _path(data[subject], f"{place}.{subject}")
        kind, value_of = self.subjects[subject](names, f"{place}.{subject}")
        tests = [_test(kind, name, data[name], f"{place}.{name}") for name in operators]
        condition = _all([_Part(_of_value(value_of, test)) for test in tests]).holds
        return _Part(condition, _key(f"{subject} {'.'.join(names)}", kind, value_of, data))

    def _of_event(self, part: str, names: list[str]) -> tuple[Kind, ValueOf]:
        """What came with an event, as it would be sent."""

        def value_of(event: Event) -> Any:
            return without_secrets_of_event(event.resource, part, getattr(event, part))

        return ANYTHING, _inside(value_of, names)

    def _field(self, names: list[str], place: str) -> tuple[Kind, ValueOf]:
        first, *inner = names
        first = self.fields.named(first, place)
        kind = self.fields.kind(first, place)
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
            told = {name for name, _, _ in told_fields(model)}
            self.kinds = {each.name: kind_of_field(each) for each in model._meta.concrete_fields if each.name in told}
            self.many = {each.name for each in model._meta.many_to_many}

    def named(self, name: str, place: str) -> str:
        """The name of a field that may be told; raises `InvalidFiltersError` where there is none."""
        if self.model is None:
            return name
        if name == "pk" and self.model._meta.pk is not None:
            return self.model._meta.pk.name
        if name in self.kinds or name in self.many:
            return name
        if any(each.name == name and points_to_secret(each, self.model) for each in self.model._meta.concrete_fields):
            raise _wrong(place, f"“{name}” is a secret, which hooks are not told")
        known = [*self.kinds, *self.many]
        raise _wrong(place, f"{self.model.__name__} has no field “{name}”.{did_you_mean(name, known)}")

    def kind(self, name: str, place: str) -> Kind:
        if name in self.many:
            raise _wrong(place, f"“{name}” is many objects: it can be asked whether it changed, and no more")
        return self.kinds.get(name, ANYTHING)


def _model_of(patterns: Sequence[str]) -> type[models.Model] | None:
    """The model that all these event types are of, or None where there are several or none."""
    resources = {pattern.rpartition(".")[0] for pattern in patterns}
    return model_of(resources.pop()) if len(resources) == 1 else None


def _what_else(action: str, known: list[str]) -> str:
    if action == READ:
        return f": {NO_READS}"
    near = did_you_mean(action, known) or f" There are {', '.join(known)}."
    return f".{near} {REMEDY}"


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


def _one_of(kind: Kind, value: Any, place: str) -> Test:
    """A list stands for any of its values."""
    return _test(kind, "in" if isinstance(value, list) else "eq", value, place)


def _from_snapshot(name: str) -> ValueOf:
    def value_of(event: Event) -> Any:
        try:
            return event.snapshot[name]
        except KeyError:
            return _fetched(event.instance, name)

    return value_of


def _fetched(instance: Any, name: str) -> Any:
    """The object was loaded without this field (`defer`), so the snapshot does not have it."""
    if not isinstance(instance, models.Model):
        return None
    model, using = type(instance), database_of(instance)
    found = [each for each in told_fields(model) if each[0] == name]
    if not found:
        return None
    with own_savepoint():
        value = getattr(instance, found[0][1])
        return None if name in generic_secrets(model, instance.__dict__, using) else found[0][2](value)


def _inside(value_of: ValueOf, names: Sequence[str]) -> ValueOf:
    def inner_value_of(event: Event) -> Any:
        value = value_of(event)
        for name in names:
            value = value.get(name) if type(value) is dict or isinstance(value, Mapping) else None
        return value

    return inner_value_of


def _of_value(value_of: ValueOf, test: Test) -> Condition:
    return lambda event: test(value_of(event))


def _key(name: str, kind: Kind, value_of: ValueOf, data: Mapping[str, Any]) -> Key | None:
    """The key of a comparison that names an equality (`eq`, `in`)."""
    operator = next((one for one in ("eq", "in") if one in data), None)
    values = None if operator is None else values_of(kind, data[operator] if operator == "in" else [data[operator]])
    if values is None:
        return None
    stands_for = stand_in(kind)
    return Key(f"{name} as {kind.words}, {kind.type.__name__}", lambda event: stands_for(value_of(event)), values)


def _equality_of_end(end: Any) -> Mapping[str, Any]:
    return {"in" if isinstance(end, list) else "eq": end}


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
    if len(parts) == 1:
        return parts[0]
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


def condition_for(hook: Hook) -> Condition | None:
    """What must hold for a hook to be told of an event of its types; None where it is told of all.

    Filters that cannot be read any more (a field was removed), or that fail, keep nothing from the hook: a receiver can
    recognise what it did not ask for, but not what it never got. That is logged.
    """
    conditions: list[Condition] = []
    if of_relations_alone(hook.signals) and (model := _model_of(hook.patterns)) is not None:
        many = frozenset(field.name for field in model._meta.many_to_many)
        conditions.append(lambda event: not many.isdisjoint(event.changes))
    if (end := hook.expires_at) is not None:
        conditions.append(lambda event: event.time < end)
    if (filters := _still_readable(hook)) is not None:
        conditions.append(_never_failing(filters, hook))
    return _all([_Part(condition) for condition in conditions]).holds if conditions else None


def _still_readable(hook: Hook) -> Condition | None:
    try:
        return compiled(hook.filters, hook.patterns, more_actions=None)
    except InvalidFiltersError as error:
        logger.error(
            "hook %s: its filters cannot be read, and it is told of everything: %s", hook.pk, error.messages[0]
        )
        return None


def _never_failing(condition: Condition, hook: Hook) -> Condition:
    def holds(event: Event) -> bool:
        try:
            return condition(event)
        except Exception:
            if conf.hooks_raise_exceptions:
                raise
            logger.exception(
                "hook %s: its filters failed for %s %s (event %s), and it is told of it",
                hook.pk,
                event.type,
                event.object_id,
                event.id,
            )
            return True

    return holds
