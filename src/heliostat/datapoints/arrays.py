"""Arrays of numbers in one column, the same bytes in every database."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from typing import Any

from django.db import models

WIDTH = 8  # bytes of a number


def pack(numbers: Iterable[float]) -> bytes:
    """Return numbers as IEEE 754 doubles, little-endian (what FITS and numpy call `<f8`)."""
    packed = array("d", numbers)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


def unpack(packed: bytes) -> list[float]:
    """Return the numbers of packed bytes."""
    numbers = array("d")
    numbers.frombytes(packed)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tolist()


class FloatArrayField(models.BinaryField):  # type: ignore[type-arg]
    """A one-dimensional array of doubles. Its value is a list of floats; a number that is missing is NaN."""

    description = "Array of double-precision numbers"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if value is not None and not isinstance(value, bytes):
            value = pack(value)
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value: Any, *_: Any) -> list[float] | None:
        return None if value is None else unpack(bytes(value))

    def value_to_string(self, obj: Any) -> str:
        value = self.value_from_object(obj)
        return "" if value is None else " ".join(map(repr, value))

    def to_python(self, value: Any) -> Any:
        return [float(one) for one in value.split()] if isinstance(value, str) else value
