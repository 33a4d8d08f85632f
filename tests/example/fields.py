"""Fields as other packages have them: their own types, descriptors and conversions."""

from __future__ import annotations

import decimal
import json
from typing import Any

from django.db import models


class Colour:
    """A value that is no text, though its column is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colour) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)


class ColourField(models.CharField):  # type: ignore[type-arg]
    """Like a phone number: a text field whose values are objects, stored in one spelling."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        if value == "unreadable":
            raise RuntimeError("this colour cannot be read")
        return Colour(value) if value is not None else None

    def to_python(self, value: Any) -> Any:
        return value if value is None or isinstance(value, Colour) else Colour(str(value))

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, Colour) and value.text == "unconvertible":
            raise RuntimeError("this colour cannot be converted")
        text = value.text if isinstance(value, Colour) else value
        return text and (text if text == "unconvertible" else text.removeprefix("#").lower())


class Money:
    def __init__(self, amount: Any) -> None:
        self.amount = decimal.Decimal(amount).quantize(decimal.Decimal("0.01"), decimal.ROUND_HALF_UP)


class MoneyField(models.TextField):  # type: ignore[type-arg]
    """A field whose Python value has no plain type, and that says itself how a fixture spells it."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return None if value is None else Money(value)

    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else str((value if isinstance(value, Money) else Money(value)).amount)

    def value_to_string(self, obj: Any) -> str:
        return f"{self.value_from_object(obj).amount} EUR"


class ShoutedField(models.CharField):  # type: ignore[type-arg]
    """The database changes its values on the way into the column."""

    def get_placeholder(self, *_: Any) -> str:
        return "UPPER(%s)"


class Wrapped:
    """A key that neither Django nor Python takes for a number, or for a text."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __str__(self) -> Any:
        return self.value


class WrappingAutoField(models.BigAutoField):  # type: ignore[type-arg]
    """As in Django's own tests: the key that the database made comes as an object that the field itself refuses."""

    def from_db_value(self, value: Any, *_: Any) -> Any:
        return None if value is None else Wrapped(value)


class OwnUUIDField(models.UUIDField):  # type: ignore[type-arg]
    """As packages make it: Django's field with another default."""


class CodeField(models.CharField):  # type: ignore[type-arg]
    """A text that accepts one spelling only, and refuses all others."""

    def get_prep_value(self, value: Any) -> Any:
        if value is not None and not str(value).startswith("C-"):
            raise ValueError(f"{value!r} is not a code")
        return value


class ExactDecoder(json.JSONDecoder):
    """As projects have it that count money: numbers that the encoder beside it cannot write again."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, parse_float=decimal.Decimal)
