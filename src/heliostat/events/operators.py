"""The operators of filters. They compare values in their normal form: as they are sent, with dates, decimals and the
like parsed.

The field that a filter names says how to read its values, those of a filter and those of an event alike. Values of
unknown type (inside JSON, payloads, arguments) stay as they are sent. True and false are `Truth`, because Python takes
`True` for the number 1. So equal values have one hash, by which an index finds them.
"""

from __future__ import annotations

import datetime
import decimal
import operator
import uuid
from collections.abc import Callable, Hashable, Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec
from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime, parse_duration, parse_time

from heliostat.events.subscriptions import NOT_COMPARABLE

Test = Callable[[Any], bool]

MOST_VALUES = 500
NUMBERS = (int, float, decimal.Decimal)
CONTAINERS = (list, Mapping)
NO_VALUE: Final = object()
"""Equals nothing that a filter may name."""


class Truth(Enum):
    """The normal form of true and false."""

    TRUE = True
    FALSE = False


def _of_one_type(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return a comparison that holds only between two numbers, or between two other values of one type."""

    def compare_alike(value: Any, other: Any) -> bool:
        is_alike = type(value) is type(other) or (isinstance(value, NUMBERS) and isinstance(other, NUMBERS))
        return is_alike and not isinstance(value, (*CONTAINERS, Truth, type(None))) and compare(value, other)

    return compare_alike


def _of_texts(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, other: isinstance(value, str) and isinstance(other, str) and compare(value, other)


def _contains(value: Any, item: Any) -> bool:
    """Return whether a text, the names of an object, or a list contains an item. Fast for long lists, too."""
    if not isinstance(value, list):
        return isinstance(value, (str, Mapping)) and isinstance(item, str) and item in value
    if isinstance(item, Truth):
        return any(each is item.value for each in value)
    return item in value and any(each == item and not isinstance(each, bool) for each in value)


EQUALITY: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "in": lambda value, among: value in among,
}
ORDER = {
    "lt": _of_one_type(operator.lt),
    "lte": _of_one_type(operator.le),
    "gt": _of_one_type(operator.gt),
    "gte": _of_one_type(operator.ge),
}
OF_TEXT = {"contains": _contains, "startswith": _of_texts(str.startswith), "endswith": _of_texts(str.endswith)}
COMPARISONS = EQUALITY | ORDER | OF_TEXT
OPERATORS = (*COMPARISONS, "isnull")


class Kind(NamedTuple):
    """How values of a field are read: `read` returns the normal form, or raises `ValueError`; `words` names them."""

    words: str
    read: Callable[[Any], Any]
    operators: Mapping[str, Any] = EQUALITY | ORDER


def _parsed(expected: type, parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """Return a function that reads a value of this very type, or a text that stands for one."""

    def read(value: Any) -> Any:
        found = parse(value) if isinstance(value, str) else value
        if type(found) is not expected:
            raise ValueError
        return found

    return read


def _truth(value: Any) -> Truth:
    if not isinstance(value, bool):
        raise ValueError
    return Truth(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return str.__str__(value)


def _number(value: Any) -> Any:
    if not isinstance(value, NUMBERS) or isinstance(value, bool):
        raise ValueError
    return value


def _decimal(value: Any) -> decimal.Decimal:
    if isinstance(value, decimal.Decimal):
        return value
    found = decimal.Decimal(value if isinstance(value, str) else str(_number(value)))
    if not found.is_finite():
        raise ValueError
    return found


def _moment(value: Any) -> datetime.datetime:
    """Return a date and time; without an offset in the site's time zone, without a time at midnight."""
    found = (parse_datetime(value) or parse_date(value)) if isinstance(value, str) else value
    if not isinstance(found, datetime.date):
        raise ValueError
    if not isinstance(found, datetime.datetime):
        found = datetime.datetime.combine(found, datetime.time())
    return timezone.make_aware(found) if settings.USE_TZ and timezone.is_naive(found) else found


def _as_sent(value: Any) -> Any:
    """Return a value of any type as it would be sent; but a decimal stays a number."""
    if isinstance(value, bool):
        return Truth(value)
    if value is None or isinstance(value, (str, *NUMBERS, *CONTAINERS)):
        return value
    return _as_sent(msgspec.to_builtins(value, enc_hook=str))


ANYTHING = Kind("a value", _as_sent, COMPARISONS)
KINDS: tuple[tuple[tuple[type[models.Field[Any, Any]], ...], Kind], ...] = (
    ((models.CharField, models.TextField, models.FileField), Kind("a text", _text, COMPARISONS)),
    ((models.BooleanField,), Kind("true or false", _truth, EQUALITY)),
    ((models.IntegerField, models.FloatField), Kind("a number", _number)),
    ((models.DecimalField,), Kind("a number, or a text that is one", _decimal)),
    ((models.DateTimeField,), Kind("a date and time such as 2026-11-21T18:00:00Z", _moment)),
    ((models.DateField,), Kind("a date such as 2026-11-21", _parsed(datetime.date, parse_date))),
    ((models.TimeField,), Kind("a time such as 18:00", _parsed(datetime.time, parse_time))),
    ((models.DurationField,), Kind("a duration such as P1DT2H", _parsed(datetime.timedelta, parse_duration))),
    ((models.UUIDField,), Kind("a UUID", _parsed(uuid.UUID, uuid.UUID))),
)
SIMPLE = {str, int, float, decimal.Decimal, Truth, uuid.UUID} | {
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
}
"""Types of normal forms whose equality and hash are Python's own."""


def kind_of_field(field: models.Field[Any, Any]) -> Kind:
    """Return how values of a field are read; those of a reference as its key."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return next((kind for classes, kind in KINDS if isinstance(field, classes)), ANYTHING)


def test_of(kind: Kind, name: str, operand: Any) -> Test:
    """Return the test of a value by an operator; raise `ValueError` that says what may be written."""
    if name == "isnull":
        wants_null = _operand(kind._replace(words="true or false", read=_truth), operand).value
        return lambda value: (value is None) is wants_null
    if name not in kind.operators:
        raise ValueError(f"is nothing to ask of {kind.words}")
    if name == "in":
        if not isinstance(operand, list) or not 1 <= len(operand) <= MOST_VALUES:
            raise ValueError(f"give a list of at least one and at most {MOST_VALUES} values")
        wanted: Any = [_or_null(kind, one) for one in operand]
    else:
        wanted = _or_null(kind, operand) if name in EQUALITY else _operand(kind, operand)
    compare, read = COMPARISONS[name], kind.read
    holds_for_null = name in EQUALITY and compare(None, wanted)
    return lambda value: holds_for_null if value is None else compare(read(value), wanted)


def _or_null(kind: Kind, operand: Any) -> Any:
    return None if operand is None else _operand(kind, operand)


def _operand(kind: Kind, operand: Any) -> Any:
    try:
        return kind.read(operand)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise ValueError(f"give {kind.words}, not {msgspec.json.encode(operand).decode()[:50]}") from error


def key_of_value(kind: Kind, value: Any) -> Hashable:
    """Return the normal form by which an index finds a value; raise what a comparison with the value would raise."""
    if value is None or value is NO_VALUE:
        return value
    found = kind.read(value)
    if isinstance(found, CONTAINERS):
        return NO_VALUE
    return found if type(found) in SIMPLE else NOT_COMPARABLE


def keys_of_operands(kind: Kind, operands: list[Any]) -> frozenset[Hashable] | None:
    """Return the normal forms of values in a filter; None where an index cannot find one of them."""
    found = frozenset(key_of_value(kind, one) for one in operands)
    return None if found & {NOT_COMPARABLE, NO_VALUE} else found
