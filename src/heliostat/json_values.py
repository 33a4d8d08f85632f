"""JSON that people and programs send: read and checked in one place, so that every database can store it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.core.exceptions import ValidationError

DEEPEST = 30  # brackets in brackets; MariaDB takes 32


def is_json_type(content_type: str) -> bool:
    """Return whether a text of this content type is JSON: `application/json; charset=utf-8`, `application/geo+json`."""
    return content_type.partition(";")[0].strip().lower().endswith(("/json", "+json"))


def parse_json(text: str) -> Any:
    """Return what a JSON text means. Raise `ValidationError` where it is no JSON, or could not be stored."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValidationError(
            f"This is no JSON: {error.msg}, line {error.lineno}, column {error.colno}.", code="json"
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; brackets in brackets in …
        raise ValidationError(f"This JSON cannot be kept: {error}.", code="json") from error
    check_json(value)
    return value


def check_json(value: Any) -> None:
    """Raise `ValidationError` where a value is too deep for a database, or holds what no database stores as JSON.

    PostgreSQL stores no NUL characters and no half characters (lone surrogates). JSON (RFC 8259) has no NaN and no
    infinity, which Python reads and writes.
    """
    check_depth(value)
    if any(isinstance(part, str) and "\x00" in part for level in _levels(value) for part in level):
        raise ValidationError("NUL characters cannot be stored.", code="nul")
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError as error:
        raise ValidationError(f"This JSON cannot be kept: {error}.", code="json") from error


def check_depth(value: Any) -> None:
    """Raise `ValidationError` where brackets are in brackets more than `DEEPEST` deep."""
    if any(depth > DEEPEST for depth, _ in enumerate(_levels(value))):
        raise ValidationError(f"Brackets are in brackets more than {DEEPEST} deep.", code="deep")


def _levels(value: Any) -> Iterator[list[Any]]:
    """Yield the value, what is in it, what is in that: a function that calls itself would fail of what it checks."""
    level = [value]
    while level:
        yield level
        level = list(chain.from_iterable(map(_inside, level)))


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else []
