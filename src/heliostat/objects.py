"""Look an object up by a key that a request names: in an address, a query string, a form or a body."""

from __future__ import annotations

import re
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Model, QuerySet
from django.http import Http404

M = TypeVar("M", bound=Model)

LONGEST_KEY = 255  # characters
LARGEST = 2**63 - 1  # what a column of every supported database holds
DIGITS = re.compile(r"-?[0-9]{1,19}")


def find_object(objects: QuerySet[M], key: object) -> M | None:
    """Return the one of these objects that has this key, or None: also where their model can have no such key.

    `key` is a text or number as a request gives it. No spelling of it makes a database fail.
    """
    try:
        return objects.filter(pk=parse_key(objects.model, key)).first()
    except ValidationError:
        return None


def get_object(objects: QuerySet[M], key: object) -> M:
    """Return the one of these objects that has this key. Raise `Http404` where there is none."""
    found = find_object(objects, key)
    if found is None:
        raise Http404(f"There is no {objects.model._meta.verbose_name} with this key.")
    return found


def parse_key(model: type[Model], key: object) -> Any:
    """Return a key as the model's own type. Raise `ValidationError` where the model can have no such key."""
    return _parse(model._meta.pk, key)


def _parse(field: Any, key: object) -> Any:
    while field.remote_field is not None:  # the key is that of another object: its parent's, in inheritance
        field = field.target_field
    if isinstance(key, bool) or not isinstance(key, (str, int, UUID, list, tuple)):
        raise _no_key(key)
    if isinstance(field, models.CompositePrimaryKey):  # a composite key, as a list or as JSON
        parts = field.to_python(key)
        if not isinstance(parts, (list, tuple)) or len(parts) != len(field.fields):
            raise _no_key(key)
        return tuple(map(_parse, field.fields, parts))
    text = str(key)
    if len(text) > LONGEST_KEY or "\x00" in text or not _is_text(text):
        raise _no_key(key)
    if isinstance(field, models.IntegerField):
        return _whole_number(text)
    try:
        return field.to_python(key)
    except (ValueError, TypeError, ArithmeticError) as error:
        raise _no_key(key) from error


def _whole_number(text: str) -> int:
    if not DIGITS.fullmatch(text) or abs(int(text)) > LARGEST:
        raise _no_key(text)
    return int(text)


def _is_text(text: str) -> bool:
    """Half a character, as JSON may hold it, can be stored nowhere."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_key(key: object) -> ValidationError:
    return ValidationError(f"{str(key)[:50]!a} is not a key.", code="key")
