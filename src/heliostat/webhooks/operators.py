"""Comparing values, each by its type: what may be written in a filter, and what that means.

A filter is JSON, a snapshot holds dates, decimals and the like. What a filter says is read once, by the type of the
field that it is compared with; a value of another type (a snapshot that was JSON itself) is read by the same rule.
"""

from __future__ import annotations

import datetime
import decimal
import math
import operator
import uuid
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NoReturn

import msgspec
from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime, parse_duration, parse_time

from heliostat.events.subscriptions import NOT_COMPARABLE

Test = Callable[[Any], bool]
Compare = Callable[[Any, Any], bool]

MOST_VALUES = 500
ORDERED: dict[str, Compare] = {"lt": operator.lt, "lte": operator.le, "gt": operator.gt, "gte": operator.ge}
OF_TEXT: dict[str, Compare] = {"startswith": str.startswith, "endswith": str.endswith}
OPERATORS = ("eq", "ne", *ORDERED, "in", "contains", *OF_TEXT, "isnull")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of values. `read` makes one of what is written in a filter, or raises `ValueError`.

    A value of a snapshot that is of this very `type` needs no reading.
    """

    words: str
    type: type
    read: Callable[[Any], Any]
    is_ordered: bool = True


def _refuse() -> NoReturn:
    raise ValueError


def _of_type(expected: type) -> Callable[[Any], Any]:
    return lambda value: value if isinstance(value, expected) else _refuse()


def _parsed(expected: type, parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        found = parse(value) if isinstance(value, str) else value
        return found if isinstance(found, expected) else _refuse()

    return read


def _number(value: Any) -> Any:
    is_number = isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else _refuse()


def _decimal(value: Any) -> Any:
    try:
        return _number(decimal.Decimal(value if isinstance(value, str) else str(_number(value))))
    except decimal.InvalidOperation:
        _refuse()


def _moment(value: Any) -> Any:
    """A date and time; without an offset it is meant in the site's time zone, without a time at midnight."""
    found = (parse_datetime(value) or parse_date(value)) if isinstance(value, str) else value
    if isinstance(found, datetime.date) and not isinstance(found, datetime.datetime):
        found = datetime.datetime.combine(found, datetime.time())
    if not isinstance(found, datetime.datetime):
        return _refuse()
    return timezone.make_aware(found) if settings.USE_TZ and timezone.is_naive(found) else found


def _day(value: Any) -> Any:
    found = parse_date(value) if isinstance(value, str) else value
    return found if type(found) is datetime.date else _refuse()


def _as_sent(value: Any) -> Any:
    """A value of any type, as it would be sent; but a decimal stays a number."""
    if value is None or isinstance(value, (str, int, float, decimal.Decimal, list, Mapping)):
        return value
    return msgspec.to_builtins(value, enc_hook=str)


NUMBER = Kind("a number", int, _number)
TEXT = Kind("a text", str, _of_type(str))
ANYTHING = Kind("a value", str, _as_sent)
KINDS: tuple[tuple[type[models.Field[Any, Any]], Kind], ...] = (
    (models.BooleanField, Kind("true or false", bool, _of_type(bool), is_ordered=False)),
    (models.IntegerField, NUMBER),
    (models.FloatField, Kind("a number", float, _number)),
    (models.DecimalField, Kind("a number, or a text that is one", decimal.Decimal, _decimal)),
    (models.DateTimeField, Kind("a date and time such as 2026-11-21T18:00:00Z", type(None), _moment)),  # may be naive
    (models.DateField, Kind("a date such as 2026-11-21", datetime.date, _day)),
    (models.TimeField, Kind("a time such as 18:00", datetime.time, _parsed(datetime.time, parse_time))),
    (
        models.DurationField,
        Kind("a duration such as P1DT2H", datetime.timedelta, _parsed(datetime.timedelta, parse_duration)),
    ),
    (models.UUIDField, Kind("a UUID", uuid.UUID, _parsed(uuid.UUID, uuid.UUID))),
    (models.CharField, TEXT),
    (models.TextField, TEXT),
    (models.FileField, TEXT),
)


def kind_of_field(field: models.Field[Any, Any]) -> Kind:
    """How values of a field are compared; a reference is compared by its key."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return next((kind for cls, kind in KINDS if isinstance(field, cls)), ANYTHING)


def test_of(kind: Kind, name: str, operand: Any) -> Test:
    """Whether a value stands in a relation to `operand`; raises `ValueError` that says what may be written."""
    if name == "isnull":
        wants_null = _read(_of_type(bool), operand, "true or false")
        return lambda value: (value is None) is wants_null
    if name in ("eq", "ne"):
        return _equality(kind, name, None if operand is None else _operand(kind, operand))
    if name == "in":
        return _membership(kind, operand)
    return _relation(kind, _compare(kind, name), _operand(kind, operand))


def _equality(kind: Kind, name: str, operand: Any) -> Test:
    same = _same if kind is ANYTHING else operator.eq
    compare = same if name == "eq" else lambda value, other: not same(value, other)
    if operand is None:
        return lambda value: (value is None) is (name == "eq")
    return _relation(kind, compare, operand, of_null=name == "ne")


def _membership(kind: Kind, operands: Any) -> Test:
    if not isinstance(operands, list) or not 1 <= len(operands) <= MOST_VALUES:
        raise ValueError(f"give a list of at least one and at most {MOST_VALUES} values")
    values = [_operand(kind, operand) for operand in operands if operand is not None]
    compare = _any_same if kind is ANYTHING else lambda value, among: value in among
    return _relation(kind, compare, values if kind is ANYTHING else frozenset(values), of_null=None in operands)


def _relation(kind: Kind, compare: Compare, operand: Any, of_null: bool = False) -> Test:
    expected, take = kind.type, kind.read

    def test(value: Any) -> bool:
        if value is None:
            return of_null
        return compare(value if type(value) is expected else take(value), operand)

    return test


def _compare(kind: Kind, name: str) -> Compare:
    if name == "contains" and kind in (TEXT, ANYTHING):
        return operator.contains if kind is TEXT else _holds
    if name in OF_TEXT and kind in (TEXT, ANYTHING):
        return OF_TEXT[name] if kind is TEXT else _of_one_type(OF_TEXT[name], str)
    if name in ORDERED and kind.is_ordered:
        return ORDERED[name] if kind is not ANYTHING else _of_one_type(ORDERED[name])
    raise ValueError(f"is nothing to ask of {kind.words}")


def _operand(kind: Kind, operand: Any) -> Any:
    return _read(kind.read, operand, kind.words)


def _read(read: Callable[[Any], Any], operand: Any, words: str) -> Any:
    try:
        return read(operand)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"give {words}, not {msgspec.json.encode(operand).decode()[:50]}") from error


# Values whose type is not known before (inside JSON, payloads, arguments): only what is alike can be compared.


def _rank(value: Any) -> type:
    is_number = isinstance(value, (int, float, decimal.Decimal)) and not isinstance(value, bool)
    return float if is_number else type(value)


def _same(value: Any, other: Any) -> bool:
    is_alike = type(value) is type(other) or _rank(value) is _rank(other)
    return is_alike and bool(value == other)


def _any_same(value: Any, among: list[Any]) -> bool:
    return any(_same(value, other) for other in among)


def _of_one_type(compare: Compare, only: type | None = None) -> Compare:
    def compare_alike(value: Any, other: Any) -> bool:
        rank = _rank(value)
        return rank in ((only,) if only else (str, float)) and rank is _rank(other) and compare(value, other)

    return compare_alike


def _holds(value: Any, item: Any) -> bool:
    if isinstance(value, (str, Mapping)):
        return isinstance(item, str) and item in value
    return isinstance(value, list) and _is_among(item, value)


def _is_among(item: Any, values: list[Any]) -> bool:
    """Quick even for long lists, where only true and 1 are equal without being alike."""
    if isinstance(item, bool):
        return any(each is item for each in values)
    return item in values and any(each == item and not isinstance(each, bool) for each in values)


# Stand-ins of values, by which an index finds equal ones: equal values have equal stand-ins, which can be hashed.

NO_VALUE: Final = object()
"""Stands for what is equal to nothing that a filter may name."""

SIMPLE = {str, int, float, bool, decimal.Decimal, uuid.UUID} | {
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
}


def stand_in(kind: Kind) -> Callable[[Any], Hashable]:
    """What makes the stand-in of a value. It raises what a comparison of the value would raise."""
    return _stand_in_of_anything if kind is ANYTHING else partial(_stand_in, kind)


def _stand_in(kind: Kind, value: Any) -> Hashable:
    if value is None or value is NO_VALUE:
        return value
    read = value if type(value) is kind.type else kind.read(value)
    return read if type(read) in SIMPLE else NOT_COMPARABLE


def _stand_in_of_anything(value: Any) -> Hashable:
    if value is None or value is NO_VALUE:
        return value
    sent = value if type(value) is str else _as_sent(value)
    if type(sent) in SIMPLE:
        return _rank(sent), sent
    return NO_VALUE if isinstance(sent, (list, Mapping)) else NOT_COMPARABLE


def values_of(kind: Kind, operands: Any) -> frozenset[Hashable] | None:
    """The stand-ins of the values that an equality names; None where it names one that has none."""
    try:
        found = frozenset(stand_in(kind)(None if one is None else _operand(kind, one)) for one in operands)
    except (ValueError, TypeError):
        return None
    return None if found & {NOT_COMPARABLE, NO_VALUE} else found
