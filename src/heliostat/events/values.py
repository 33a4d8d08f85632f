"""Values of fields as an event holds them: as the row stores them, in types that JSON has a spelling for.

Each field gets a `Conversion`. `plain` converts a value that was read from the row (or that another program wrote) by
the field's own means; `stored` does the same in the host's save, and returns `ABSENT` in place of an error. `written`
converts a value in memory that was just written. It answers `UNKNOWN` where the row may hold something else, so that
the row must be read: where the class of the field is not one of Django's own, or the value is not of the exact type
that this class stores as it is.
"""

from __future__ import annotations

import datetime
import decimal
import json
import logging
import math
import sys
import uuid
from base64 import b64decode
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone
from django.utils.dateparse import parse_duration

logger = logging.getLogger("heliostat.events")

Convert = Callable[[Any], Any]

UNKNOWN: Final = object()
"""Memory does not say what the row holds."""

ABSENT: Final = object()
"""A value that cannot be converted: the field is left out of the snapshot."""

TEXTS = (models.CharField, models.EmailField, models.SlugField, models.TextField, models.URLField, models.FilePathField)
INTEGERS = (
    models.AutoField,
    models.BigAutoField,
    models.SmallAutoField,
    models.IntegerField,
    models.BigIntegerField,
    models.SmallIntegerField,
    models.PositiveIntegerField,
    models.PositiveBigIntegerField,
    models.PositiveSmallIntegerField,
)
FILES = (models.FileField, models.ImageField)
RELATIONS = (models.ForeignKey, models.OneToOneField)
PLAIN_TYPES = frozenset(
    {
        type(None),
        str,
        int,
        float,
        bool,
        decimal.Decimal,
        datetime.date,
        datetime.time,
        datetime.timedelta,
        uuid.UUID,
        bytes,
    }
)
EXACT_INTEGER = 2**53  # so far each integer is a float
LARGE = 1e16  # from here on JSON spells a float with an exponent
JSON_ENCODERS = (None, DjangoJSONEncoder)


class Conversion(NamedTuple):
    """How the values of one field are converted; see the module."""

    plain: Convert
    stored: Convert
    written: Convert


def conversion_of(field: models.Field[Any, Any]) -> Conversion:
    """Return the conversion of a field's values, a reference's by the field that it refers to."""
    target = target_of(field)
    plain, written = _of_kind(target, _kind_of(target)) or (partial(_by_field, target), None)
    is_known = field is target or _kind_of(field) in RELATIONS
    if not is_known or written is None or not field.model._meta.managed or isinstance(field, models.GeneratedField):
        written = lambda _: UNKNOWN  # noqa: E731  a table that Django did not make may have columns of other types
    return Conversion(plain, partial(_or_absent, field, plain), written)


def _kind_of(field: models.Field[Any, Any]) -> type | None:
    """The class of Django whose values a field has: its own, or one that it extends without another conversion."""
    for kind in type(field).__mro__:
        if kind in KNOWN:
            return kind
        if not CONVERTING.isdisjoint(vars(kind)):
            return None
    return None


def target_of(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    """Return the field itself, or of a reference the one that it refers to in the end."""
    while isinstance(field, models.ForeignKey):
        field = field.target_field
    return field


def _or_absent(field: models.Field[Any, Any], plain: Convert, value: Any) -> Any:
    """Code of another package converts here, in the host's save: its errors are for the log."""
    try:
        return plain(value)
    except Exception as error:
        logger.error("%s is left out of events: its value cannot be converted (%r)", field, error)
        return ABSENT


def _of_kind(field: Any, kind: type | None) -> tuple[Convert, Convert | None] | None:
    """Return the conversions of the fields that Django itself has; None for all others."""
    if kind is not None and kind in PARSED:
        expected, written = PARSED[kind]
        return partial(_parsed, field, expected), written
    if kind is models.DecimalField:
        return partial(_decimal, field), partial(_written_decimal, field.decimal_places)
    if kind is models.DateTimeField:
        return partial(_moment, field), _exact_moment
    if isinstance(field, models.JSONField):
        return partial(_json, field), (partial(_json, field, is_written=True) if kind is models.JSONField else None)
    return None if kind is None else OTHERS.get(kind)


def _parsed(field: Any, expected: type, value: Any) -> Any:
    if value is None or type(value) is expected:
        return value
    return _without_subclass(field.to_python(value))


def _without_subclass(value: Any) -> Any:
    """Return a member of `TextChoices` or `IntegerChoices`, or a safe string, as the text or number that it is."""
    if isinstance(value, str) and type(value) is not str:
        return str.__str__(value.value if isinstance(value, models.Choices) else value)
    if isinstance(value, int) and type(value) not in (int, bool):
        return int(value)
    return value


def _exact(expected: type, value: Any) -> Any:
    if value is None or type(value) is expected:
        return value
    return value.value if isinstance(value, models.Choices) and type(value.value) is expected else UNKNOWN


def _exact_float(value: Any) -> Any:
    """NaN is stored as NULL by some databases; an integer is stored as the float that it is."""
    if value is None:
        return None
    if type(value) is int and -EXACT_INTEGER <= value <= EXACT_INTEGER:
        return float(value)
    return value if type(value) is float and math.isfinite(value) else UNKNOWN


def _decimal(field: Any, value: Any) -> Any:
    """With as many places as the column has: 1.5 in a column of two places is 1.50."""
    if value is None:
        return None
    number = value if type(value) is decimal.Decimal else field.to_python(value)
    exact = _exact_decimal(field.decimal_places, number)
    return number if exact is UNKNOWN else exact


def _exact_decimal(places: int | None, value: Any) -> Any:
    if value is None:
        return None
    if type(value) is not decimal.Decimal or not value.is_finite() or places is None:
        return UNKNOWN
    exponent = int(value.as_tuple().exponent)
    if exponent == -places:
        return value
    if exponent < -places and value != round(value, places):
        return UNKNOWN  # the database rounds, each in its own way
    return value.quantize(decimal.Decimal(1).scaleb(-places), context=decimal.Context(prec=1000))


def _written_decimal(places: int | None, value: Any) -> Any:
    """SQLite stores a decimal number as a float where it is no whole one; a float holds so many digits exactly."""
    exact = _exact_decimal(places, value)
    is_long = type(exact) is decimal.Decimal and exact.adjusted() + (places or 0) >= sys.float_info.dig
    return UNKNOWN if is_long else exact


def _moment(field: Any, value: Any) -> Any:
    """In UTC where the site has time zones; with the offset of the site's zone where it has none."""
    if value is None:
        return None
    found = value if type(value) is datetime.datetime else field.to_python(value)
    return with_offset(found) if isinstance(found, datetime.datetime) else found


def with_offset(moment: datetime.datetime) -> datetime.datetime:
    """Return the same moment with an offset: in UTC, or of a site without time zones in its `TIME_ZONE`."""
    if moment.tzinfo is None:
        return timezone.make_aware(moment, timezone.get_default_timezone())
    return moment if moment.tzinfo is datetime.UTC or not settings.USE_TZ else moment.astimezone(datetime.UTC)


def _exact_moment(value: Any) -> Any:
    if value is None:
        return None
    if type(value) is not datetime.datetime or (value.tzinfo is None) == settings.USE_TZ:
        return UNKNOWN
    return with_offset(value)


def _exact_time(value: Any) -> Any:
    return value if value is None or (type(value) is datetime.time and value.tzinfo is None) else UNKNOWN


def _bytes(value: Any) -> Any:
    if isinstance(value, str):
        return b64decode(value)
    return value if value is None else bytes(value)


def _file_name(value: Any) -> str | None:
    return str(getattr(value, "name", value) or "") or None


def _exact_file(value: Any) -> Any:
    return _file_name(value) if value is None or isinstance(value, (str, models.fields.files.FieldFile)) else UNKNOWN


def _json(field: Any, value: Any, is_written: bool = False) -> Any:
    """As JSON has it: tuples are lists, keys are texts, two surrogates are one character.

    A copy, which the caller cannot change any more. PostgreSQL spells large numbers without an exponent, so that they
    are read as integers: what `is_written` with one must be read.
    """
    if field.encoder in JSON_ENCODERS:
        try:
            return _json_copy(value)
        except TypeError:
            pass  # something that JSON changes
    if is_written and hasattr(value, "resolve_expression"):
        return UNKNOWN
    text = _json_text(field, value)
    return UNKNOWN if is_written and "e+" in text else json.loads(text)


def _json_copy(value: Any) -> Any:
    """Return a copy of what JSON spells as it is; raises `TypeError` for anything else. Three times as fast as JSON."""
    kind = type(value)
    if value is None or kind in (int, bool) or (kind is str and value.isascii()):
        return value
    if kind is float and -LARGE < value < LARGE:
        return value
    if kind is list:
        return [_json_copy(item) for item in value]
    if kind is dict and all(type(key) is str for key in value) and "".join(value).isascii():
        return {key: _json_copy(item) for key, item in value.items()}
    raise TypeError


def _json_text(field: Any, value: Any) -> str:
    try:
        return json.dumps(value, cls=field.encoder)
    except TypeError:
        if field.decoder is None:
            raise
        return json.dumps(value, default=_undecoded)


def _undecoded(value: Any) -> Any:
    """What a field's own decoder made of a number or a text, where its encoder does not know it."""
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return DjangoJSONEncoder().default(value)


def _by_field(field: Any, value: Any) -> Any:
    """Return a value of a field that Django itself does not have, by the means that every field has."""
    if type(value) is datetime.datetime:
        return with_offset(value)
    if type(value) in PLAIN_TYPES:
        return value
    prepared = field.get_prep_value(value)
    if type(prepared) in PLAIN_TYPES:
        return prepared
    return _structure(field, prepared)


def _structure(field: Any, value: Any) -> Any:
    """Arrays, ranges and mappings are JSON arrays and objects; of anything else, the text that a fixture would have."""
    inner = partial(_by_field, base) if (base := getattr(field, "base_field", None)) is not None else _inside
    if isinstance(value, (list, tuple)):
        return [inner(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _inside(item) for key, item in value.items()}
    if hasattr(value, "lower_inc") and hasattr(value, "isempty"):  # a range of PostgreSQL, whatever makes it
        return _range(value, inner)
    if isinstance(value, (datetime.datetime, memoryview, str, int)):
        return with_offset(value) if isinstance(value, datetime.datetime) else _inside(value)
    return text_in_fixture(field, value)


def _range(value: Any, inner: Convert) -> dict[str, Any]:
    if value.isempty:
        return {"empty": True}
    bounds = f"{'[' if value.lower_inc else '('}{']' if value.upper_inc else ')'}"
    lower, upper = (None if end is None else inner(end) for end in (value.lower, value.upper))
    return {"lower": lower, "upper": upper, "bounds": bounds}


def _inside(value: Any) -> Any:
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, datetime.datetime):
        return with_offset(value)
    if isinstance(value, (list, tuple)):
        return [_inside(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _inside(item) for key, item in value.items()}
    plain = _without_subclass(value)
    return plain if type(plain) in PLAIN_TYPES else str(plain)


def text_in_fixture(field: Any, value: Any) -> str:
    """Return the text of a value of a field as Django writes it into fixtures."""
    holder = SimpleNamespace(**{field.attname: value})  # all that `value_to_string()` needs of an object
    return str(field.value_to_string(holder))


def restored(field: models.Field[Any, Any], value: Any) -> Any:
    """Return the Python value of a field, from what `plain` made of it and JSON spells."""
    target = target_of(field)
    if value is None:
        return None
    if isinstance(target, models.JSONField):  # a copy: the object may change it, the event may not
        return deepcopy(value) if target.decoder is None else json.loads(json.dumps(value), cls=target.decoder)
    if isinstance(value, str) and (parse := SPELT.get(type(target))):
        return parse(value)
    if isinstance(value, list) and (base := getattr(target, "base_field", None)) is not None:
        return [restored(base, item) for item in value]
    if isinstance(value, dict):
        value = json.dumps(value, cls=DjangoJSONEncoder)  # the spelling of a fixture, which ranges and hstore read
    found = target.to_python(value)
    if isinstance(found, datetime.datetime) and found.tzinfo is not None and not settings.USE_TZ:
        return timezone.make_naive(found, timezone.get_default_timezone())
    return found


PARSED: dict[type, tuple[type, Convert]] = {
    **dict.fromkeys(TEXTS, (str, partial(_exact, str))),
    **dict.fromkeys(INTEGERS, (int, partial(_exact, int))),
    models.BooleanField: (bool, partial(_exact, bool)),
    models.FloatField: (float, _exact_float),
    models.DateField: (datetime.date, partial(_exact, datetime.date)),
    models.TimeField: (datetime.time, _exact_time),
    models.DurationField: (datetime.timedelta, partial(_exact, datetime.timedelta)),
    models.UUIDField: (uuid.UUID, partial(_exact, uuid.UUID)),
}
"""By the class of a field: the type that a row gives, and the conversion of what was written."""

OTHERS: dict[type, tuple[Convert, Convert]] = {
    **dict.fromkeys(FILES, (_file_name, _exact_file)),
    models.BinaryField: (_bytes, partial(_exact, bytes)),
}
SPELT: dict[type, Convert] = {models.BinaryField: b64decode, models.DurationField: parse_duration}

KNOWN = frozenset({*PARSED, *OTHERS, *RELATIONS, models.DecimalField, models.DateTimeField, models.JSONField})
CONVERTING = frozenset(
    {
        "attr_class", "cached_col", "contribute_to_class", "db_parameters", "db_type", "descriptor_class",
        "from_db_value", "get_col", "get_db_converters", "get_db_prep_save", "get_db_prep_value", "get_internal_type",
        "get_placeholder", "get_placeholder_sql", "get_prep_value", "pre_save", "select_format", "to_python",
        "value_from_object", "value_to_string",
    }
)  # fmt: skip
"""A class that has one of these converts values in its own way."""
