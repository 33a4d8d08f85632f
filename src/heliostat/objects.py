"""Look an object up by a key that a request names: in an address, a query string, a form or a body."""

from __future__ import annotations

from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404

from heliostat.events.keys import key_value

M = TypeVar("M", bound=Model)

LONGEST_KEY = 255  # characters


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
    if isinstance(key, bool) or not isinstance(key, (str, int, UUID, list, tuple)):
        raise _no_key(key)
    if isinstance(key, str) and (len(key) > LONGEST_KEY or "\x00" in key or not _is_text(key)):
        raise _no_key(key)
    return key_value(model, key)


def is_key(model: type[Model], key: object) -> bool:
    """Return whether an object of the model can have this key."""
    try:
        parse_key(model, key)
    except ValidationError:
        return False
    return True


def _is_text(text: str) -> bool:
    """Half a character, as JSON may hold it, can be stored nowhere."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_key(key: object) -> ValidationError:
    return ValidationError(f"{str(key)[:50]!a} is not a key.", code="key")
