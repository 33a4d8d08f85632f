"""Keys of objects: one spelling of each, in events, hooks and the outbox.

A key is text: `7`, `0198c3f2-…`, and of a composite key the JSON array that Django writes into fixtures: `["7", "x"]`.
"""

from __future__ import annotations

import datetime
import decimal
import json
import re
import uuid
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, models

from heliostat.events.values import conversion_of, target_of, text_in_fixture

PLAIN_KEYS: dict[type, type] = {models.IntegerField: int, models.UUIDField: uuid.UUID}
"""By the class of a field: the type of the keys that it stores as they are."""

DIGITS = re.compile(r"-?[0-9]+")


def key_of(instance: models.Model, model: type[models.Model] | None = None) -> str:
    """Return the key of an object, or of its part in the table of a parent model."""
    meta = (model or type(instance))._meta
    assert meta.pk is not None
    value = getattr(instance, meta.pk.attname)
    if type(value) is _plain_type(meta.model):
        return str(value)
    try:
        return canonical_key(meta.model, value)
    except ValidationError:  # an object that was never saved may have any key, or none
        return str(value)


@cache
def key_names(model: type[models.Model]) -> tuple[str, ...]:
    """Return the attributes that are the primary key of a model: several of a composite one."""
    return tuple(field.attname for field in model._meta.pk_fields)


def canonical_key(model: type[models.Model], value: Any) -> str:
    """Return the one spelling of a key that may be given as a value or a text.

    Raises a `ValidationError` where no object of the model can have this key.
    """
    if model._meta.is_composite_pk:
        return _composite(model, value)
    assert model._meta.pk is not None
    return _text(model._meta.pk, value)


def key_value(model: type[models.Model], key: Any) -> Any:
    """Return the value to look an object up by, from its key in any spelling; raises as `canonical_key()`."""
    canonical = canonical_key(model, key)
    assert model._meta.pk is not None
    if model._meta.is_composite_pk:
        return tuple(model._meta.pk.to_python(canonical))
    return target_of(model._meta.pk).to_python(canonical)


def python_key(model: type[models.Model], key: Any) -> Any:
    """Return a primary key as the database gives it, from one in memory, which may be the text of a number."""
    if model._meta.is_composite_pk:
        fields: Any = model._meta.pk_fields
        return tuple(target_of(field).to_python(part) for field, part in zip(fields, key, strict=True))
    assert model._meta.pk is not None
    return key if type(key) is _plain_type(model) else target_of(model._meta.pk).to_python(key)


@cache
def _plain_type(model: type[models.Model]) -> type | None:
    """Return the type of the keys that a model stores as they are, if there is one."""
    assert model._meta.pk is not None
    target = target_of(model._meta.pk)
    return next((kind for field, kind in PLAIN_KEYS.items() if isinstance(target, field)), None)


def _composite(model: type[models.Model], value: Any) -> str:
    fields: Any = model._meta.pk_fields
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, (list, tuple)) or len(value) != len(fields):
        names = ", ".join(field.name for field in fields)
        raise ValidationError(f"A key of {model._meta.label} is a JSON array of {len(fields)} values: {names}.")
    return json.dumps([_text(field, part) for field, part in zip(fields, value, strict=True)], ensure_ascii=False)


def _text(field: models.Field[Any, Any], value: Any) -> str:
    target = target_of(field)
    plain = conversion_of(field).plain(_parsed(target, value))
    if isinstance(plain, (datetime.datetime, datetime.date, datetime.time)):
        return plain.isoformat()
    if isinstance(plain, bytes):
        return text_in_fixture(target, plain)
    return str(plain)


def _parsed(target: models.Field[Any, Any], value: Any) -> Any:
    if value is None or isinstance(value, (list, tuple, dict, set)) or hasattr(value, "resolve_expression"):
        raise ValidationError(f"{value!r} is not a key.")
    is_part = isinstance(value, bool) or (isinstance(value, (float, decimal.Decimal)) and value != value // 1)
    is_odd = isinstance(value, str) and not DIGITS.fullmatch(value)  # Python reads 1_0 and other alphabets' digits, too
    if (is_part or is_odd) and isinstance(target, models.IntegerField):
        raise ValidationError(f"{value!r} is not a key: it is not a whole number.")
    try:
        found = target.to_python(value)
    except (ValueError, TypeError, OverflowError, decimal.InvalidOperation) as error:
        raise ValidationError(f"{value!r} is not a key ({error}).") from error
    if found is None or not _fits(target, found):
        raise ValidationError(f"{value!r} is not a key: it is empty, too long or out of range.")
    return found


def _fits(target: models.Field[Any, Any], value: Any) -> bool:
    """Return whether the column can hold it: the length of a text, the range of an integer."""
    if isinstance(value, str):
        return target.max_length is None or len(value) <= target.max_length
    if isinstance(target, models.IntegerField) and isinstance(value, int):
        low, high = connection.ops.integer_field_range(target.get_internal_type())
        return (low is None or value >= low) and (high is None or value <= high)
    return True
