"""The option `where`: the filters of webhooks, and a short form of them that fits into an `.ini` file.

where = {"status": "COMPLETED"}              {"field": "status", "eq": "COMPLETED"}
where = {"seats.gte": 40}                    {"field": "seats", "gte": 40}
where = {"depot_id": 7}                      a parent, by its key
where.status = COMPLETED                     the same in an `.ini` file
where.changed = status seats                 one of these fields changed
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple

from django.db import models

from heliostat.events.filters import WORDS, Condition, FilterError, compiled, key_of, model_of_patterns
from heliostat.events.operators import ANYTHING, OPERATORS, Kind, kind_of_field
from heliostat.events.subscriptions import Key
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.config import aslist
from heliostat.suggestions import ALIKE, did_you_mean, suggestion

WHERE = "where"
LISTS = ("changed", "actions")
"""Words of filters whose value is a list of names."""


def is_condition(key: str) -> bool:
    """Return whether an option is a condition of the form `where.status`."""
    return key.startswith(f"{WHERE}.")


class Where(NamedTuple):
    """The condition of a section, and an equality without which it does not hold, where it has one."""

    holds: Condition | None = None
    key: Key | None = None


def where_of(options: Mapping[str, Any], patterns: Sequence[str]) -> Where:
    """Return the condition of a section for events of these types, of one resource.

    Raise `ConfigurationError` for what is no condition.
    """
    conditions: list[Condition] = []
    keys: list[Key] = []
    for place, filters in _parts(options, model_of_patterns(patterns)):
        try:
            if condition := compiled(filters, patterns):
                conditions.append(condition)
        except FilterError as error:
            where, _, problem = str(error).partition(": ")
            raise ConfigurationError(f"`{place or where.replace('filters', WHERE)}`: {problem}.") from error
        keys += filter(None, [key_of(filters, patterns)])
    return Where(_all(conditions), keys[0] if keys else None)


def _all(conditions: Sequence[Condition]) -> Condition | None:
    if len(conditions) <= 1:
        return conditions[0] if conditions else None
    return lambda event: all(condition(event) for condition in conditions)


def _parts(options: Mapping[str, Any], model: type[models.Model] | None) -> Iterator[tuple[str, Any]]:
    """Yield the conditions of a section as filters, those of the short form one by one, each with its place."""
    given = options.get(WHERE, {})
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise ConfigurationError(f"`{WHERE}` is no JSON: {error}.") from error
    if not isinstance(given, dict) or (WHERE in options and not given):
        raise ConfigurationError(f'`{WHERE}` is {given!r}; give conditions such as {{"status": "COMPLETED"}}.')
    dotted = {key.removeprefix(f"{WHERE}."): value for key, value in options.items() if is_condition(key)}
    words = {key: value for key, value in given.items() if key in WORDS}
    words |= {key: _word(key, value) for key, value in dotted.items() if key in WORDS}
    for conditions, is_text in ((given, False), (dotted, True)):
        for key, value in conditions.items():
            if key not in WORDS:
                yield f"{WHERE}.{key}", _comparison(str(key), value, model, is_text=is_text)
    if words:
        yield "", words


def _word(key: str, value: Any) -> Any:
    """Return the value of a word of the filters that stands in an `.ini` file."""
    return aslist(value) if key in LISTS else _parsed(value, ANYTHING)


def _comparison(key: str, value: Any, model: type[models.Model] | None, *, is_text: bool) -> dict[str, Any]:
    """Return the comparison that a name, perhaps with an operator, and a value stand for."""
    path, _, last = key.rpartition(".")
    path, operator = (path, last) if path and last in OPERATORS else (key, "")
    first, *inner = path.split(".")
    kind = ANYTHING
    if model is not None:
        field = _field(model, first, key)
        first = field.name
        kind = ANYTHING if field.many_to_many else kind_of_field(field)
    elif near := get_close_matches(key, WORDS, n=1, cutoff=ALIKE):
        raise ConfigurationError(f"`{WHERE}.{key}`: there is no {key!r}.{suggestion(near)}")
    value = _parsed(value, kind) if is_text else value
    operator = operator or ("in" if isinstance(value, list) else "eq")
    return {"field": ".".join([first, *inner]), operator: value}


def _field(model: type[models.Model], name: str, key: str) -> Any:
    """Return the field of this name, a parent by `<field>_id`, too."""
    fields = (*model._meta.concrete_fields, *model._meta.many_to_many)
    by_name: dict[str, Any] = {getattr(each, "attname", each.name): each for each in fields}
    by_name |= {each.name: each for each in fields} | {"pk": model._meta.pk}
    if name not in by_name:
        near = did_you_mean(name, (*by_name, *WORDS))
        raise ConfigurationError(f"`{WHERE}.{key}`: {model.__name__} has no field {name!r}.{near}")
    return by_name[name]


def _parsed(value: Any, kind: Kind) -> Any:
    """Return what a text in an `.ini` file means: JSON, or itself if the field holds such texts or it is no JSON."""
    if not isinstance(value, str):
        return value
    try:
        found = json.loads(value)
    except ValueError:
        return value
    if kind is ANYTHING or isinstance(found, (str, list, dict, type(None))):
        return found
    try:
        kind.read(value)
    except (ValueError, TypeError, ArithmeticError):
        return found
    return value
