"""Fields of forms for a position and for a radius, the same wherever a page asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from heliostat.targets.coordinates import Position
from heliostat.targets.reading import EXAMPLE, parse_position

UNITS = (("arcsec", "arcseconds", 1.0), ("arcmin", "arcminutes", 60.0), ("deg", "degrees", 3600.0))


class CoordinatesInput(forms.TextInput):
    """One text; a program, or a link to the form, may give `ra` and `dec` instead."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        if name in data or not (data.get("ra") or data.get("dec")):
            return super().value_from_datadict(data, files, name)
        return f"{data.get('ra', '')} ; {data.get('dec', '')}"


class CoordinatesField(forms.CharField):
    """Right ascension and declination as papers print them. Its value is a `Position`, or None."""

    widget = CoordinatesInput
    default_error_messages = {"required": "Write right ascension and declination."}

    def __init__(self, **options: Any) -> None:
        options.setdefault("label", "Coordinates")
        options.setdefault("help_text", f"Right ascension and declination, ICRS: {EXAMPLE}.")
        super().__init__(max_length=200, **options)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str):
            return Position(*value)
        text = super().to_python(value)
        if text in self.empty_values:
            return None
        try:
            return parse_position(str(text))
        except ValueError as error:
            raise ValidationError(str(error), code="coordinates") from None

    def run_validators(self, value: Any) -> None:
        """Check the length of the text, which `Position` writes out."""
        super().run_validators("" if value is None else str(value))

    def prepare_value(self, value: Any) -> Any:
        """Return the text for a `Position`, or for the list of two numbers that JSON makes of it."""
        return str(Position(*value)) if isinstance(value, Sequence) and not isinstance(value, str) else value

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((Position(*initial) if initial else None) != self.to_python(data))
        except ValidationError:
            return True


class RadiusInput(forms.MultiWidget):
    """A number and its unit."""

    template_name = "heliostat_targets/radius.html"

    def __init__(self, attrs: Any = None) -> None:
        number = forms.NumberInput({"step": "any", "min": "0", "inputmode": "decimal"})
        unit = forms.Select({"aria-label": "Unit"}, choices=[(unit, name) for unit, name, _ in UNITS])
        super().__init__({"": number, "unit": unit}, attrs)

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_0" if id_ else id_

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        """Give the select the class of one, where the page gives a class to the field."""
        context = super().get_context(name, value, attrs)
        unit = context["widget"]["subwidgets"][1]["attrs"]
        unit["class"] = unit.get("class", "").replace("form-control", "form-select")
        return context

    def decompress(self, value: Any) -> list[Any]:
        """Return number and unit for arcseconds: the largest unit of which it is at least one."""
        if value in (None, ""):
            return ["", "arcsec"]
        unit, factor = next(
            ((unit, size) for unit, _, size in reversed(UNITS) if float(value) >= size), ("arcsec", 1.0)
        )
        return [f"{float(value) / factor:.12g}", unit]


class RadiusField(forms.MultiValueField):
    """A radius with its unit, at most `most` arcseconds. Its value is a number of arcseconds, or None."""

    widget = RadiusInput

    def __init__(self, *, most: float = 180 * 3600, **options: Any) -> None:
        self.most = most
        options.setdefault("label", "Radius")
        fields = (
            forms.FloatField(min_value=0, required=False),
            forms.ChoiceField(choices=[(unit, name) for unit, name, _ in UNITS], required=False),
        )
        super().__init__(fields, require_all_fields=False, **options)

    def compress(self, data_list: Any) -> float | None:
        if not data_list or data_list[0] is None:
            return None
        factor = {unit: size for unit, _, size in UNITS}[data_list[1] or "arcsec"]
        radius = float(data_list[0]) * factor
        if radius > self.most:
            raise ValidationError(
                f"A radius is at most {self.most / factor:g} {data_list[1] or 'arcsec'}.", code="radius"
            )
        return radius

    def clean(self, value: Any) -> Any:
        """An empty number is no radius, whatever its unit."""
        return None if not self.required and (not value or value[0] in self.empty_values) else super().clean(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(initial != self.clean(data))
        except ValidationError:
            return True


class ConeForm(forms.Form):
    """Base class of forms that ask for a place and a radius around it."""

    coordinates = CoordinatesField(required=False)
    radius = RadiusField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for one, other, what in (("coordinates", "radius", "a radius"), ("radius", "coordinates", "coordinates")):
            if cleaned.get(one) is not None and cleaned.get(other) is None and other not in self.errors:
                self.add_error(other, ValidationError(f"A cone needs {what}.", code="cone"))
        return cleaned
