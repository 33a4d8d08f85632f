"""Extra fields of targets: what a setting declares, and values that the database sorts and compares by their type."""

from __future__ import annotations

import datetime
import math
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from heliostat import quiet
from heliostat.targets.conf import target_settings
from heliostat.targets.names import BytewiseField
from heliostat.text import validate_text

TYPED = ("as_number", "as_date", "as_text")
LONGEST = 100  # characters of a text by which the database sorts and compares
_NO_NUMBER, _NO_DATE = "“{}” is not a number.", "“{}” is not a date. Write it as 2026-12-31."
_TRUTH = dict.fromkeys(("true", "yes", "1", "on"), "true") | dict.fromkeys(("false", "no", "0", "off"), "false")


@dataclass(frozen=True, slots=True)
class ExtraField:
    """An extra field that the setting `TOM_EXTRA_FIELDS` declares."""

    name: str
    type: str
    label: str
    help_text: str
    choices: tuple[str, ...]

    @property
    def column(self) -> str:
        """The column of `TargetExtra` by which its values are sorted and compared."""
        return {"number": "as_number", "date": "as_date"}.get(self.type, "as_text")

    def read(self, text: str) -> str:
        """Return a value as it is stored. Raises a ValidationError that says what is wrong."""
        text = text.strip()
        if not text or self.type == "text":
            return text
        return str(getattr(self, f"_{self.type}")(text))

    def shown(self, value: str) -> str:
        """Return a stored value as pages show it."""
        return {"true": "yes", "false": "no"}.get(value, value) if self.type == "boolean" else value

    def _number(self, text: str) -> str:
        if number_of(text) is None:
            raise ValidationError(_NO_NUMBER.format(text), code="number")
        return text

    def _date(self, text: str) -> str:
        if (day := date_of(text)) is None:
            raise ValidationError(_NO_DATE.format(text), code="date")
        return day.isoformat()

    def _boolean(self, text: str) -> str:
        if (truth := _TRUTH.get(text.casefold())) is None:
            raise ValidationError(f"“{text}” is neither true nor false.", code="boolean")
        return truth

    def _choice(self, text: str) -> str:
        if text not in self.choices:
            raise ValidationError(f"“{text}” is none of: {', '.join(self.choices)}.", code="choice")
        return text


def declared_fields() -> dict[str, ExtraField]:
    """Return the declared extra fields, by name, in the order of the setting."""
    return {
        one["name"]: ExtraField(
            one["name"],
            one["type"],
            one.get("label") or one["name"].replace("_", " ").capitalize(),
            one.get("help_text", ""),
            tuple(one.get("choices", ())),
        )
        for one in target_settings.extra_fields
    }


def number_of(text: str) -> float | None:
    """Return the number that a text is, or None."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def date_of(text: str) -> datetime.date | None:
    """Return the day that a text is (ISO 8601, with a time or without), or None."""
    try:
        return datetime.datetime.fromisoformat(text.strip()).date()
    except ValueError:
        return None


def text_of(text: str) -> str:
    """Return the beginning of a text as it is compared: without case, compatible characters as one (NFKC)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())[:LONGEST].strip()


class TypedQuerySet(models.QuerySet[Any]):
    """Statements over many rows that keep the typed columns true."""

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        rows = list(objs)
        for row in rows:
            row.set_typed()
        names = _with_typed(update_fields)
        return super().bulk_create(rows, batch_size, ignore_conflicts, update_conflicts, names, unique_fields)

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        rows = list(objs)
        for row in rows:
            row.set_typed()
        return super().bulk_update(rows, _with_typed(list(fields)) or (), batch_size)

    def update(self, **values: Any) -> int:
        if "value" not in values or "as_text" in values:
            return super().update(**values)
        if isinstance(values["value"], str):
            return super().update(**values, **typed(values["value"]))
        keys = list(self.values_list("pk", flat=True))
        count = super().update(**values)
        with quiet():  # the columns say nothing that the value did not
            rows = self.model._base_manager.using(self.db).filter(pk__in=keys)
            self.model._default_manager.using(self.db).bulk_update(rows, ["value"])
        return count

    update.alters_data = True  # type: ignore[attr-defined,unused-ignore]


class TypedValue(models.Model):
    """A value as it was written, and as a number, a date and a text where it is one."""

    value = models.TextField(blank=True, validators=[validate_text])
    as_number = models.FloatField(null=True, editable=False)
    as_date = models.DateField(null=True, editable=False)
    as_text = BytewiseField(max_length=LONGEST, null=True, editable=False)

    objects = TypedQuerySet.as_manager()

    class Meta:
        abstract = True

    def set_typed(self) -> None:
        """Set the typed columns from the value."""
        for name, value in typed(self.value).items():
            setattr(self, name, value)

    def save_base(self, using: str | None = None, update_fields: Any = None, **options: Any) -> None:  # type: ignore[override]
        self.set_typed()
        super().save_base(using=using, update_fields=_with_typed(update_fields), **options)


def typed(value: str) -> dict[str, Any]:
    """Return the typed columns of a value."""
    return {"as_number": number_of(value), "as_date": date_of(value), "as_text": text_of(value) or None}


def _with_typed(names: Collection[str] | None) -> Sequence[str] | None:
    if names is None or "value" not in names:
        return list(names) if names is not None else None
    return [*dict.fromkeys([*names, *TYPED])]


def type_from_fixture(instance: TypedValue, raw: bool, **_: Any) -> None:
    """Before a row of a fixture is saved, which is not by `save()`: set its typed columns, which it may lack."""
    if raw:
        instance.set_typed()
