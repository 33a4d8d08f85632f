"""Serializers of Django REST framework that hooks name by their path."""

from __future__ import annotations

from functools import cache
from typing import Any

from heliostat.exceptions import ConfigurationError
from heliostat.webhooks.exceptions import InvalidSerializerError
from heliostat.webhooks.import_guard import object_at


@cache
def serializer_at(path: str) -> Any:
    """A serializer of this class, kept: making one costs ten times its use."""
    return object_at(path, "serializers")()


def check_serializer(path: str) -> None:
    """Raises `InvalidSerializerError` where a path leads to no class with the method `to_representation`."""
    try:
        found = object_at(path, "serializers")
    except ConfigurationError as error:
        raise InvalidSerializerError(f"The serializer {error}") from error
    if not isinstance(found, type) or not callable(getattr(found, "to_representation", None)):
        raise InvalidSerializerError(f"“{path}” is no serializer, that is a class with to_representation(instance).")
    try:
        serializer_at(path)
    except Exception as error:
        raise InvalidSerializerError(f"The serializer “{path}” cannot be made without arguments: {error}") from error
