"""The field of a form that takes signals as people write them: lines, ticks and JSON that may be broken in any way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict

from heliostat.json_values import parse_json


class SignalsWidget(forms.Textarea):
    """Ticks for what is known and lines for anything else, all sent under one name."""

    template_name = "heliostat_webhooks/signals.html"
    known: Sequence[tuple[str, str]] = ()

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[str]:
        if isinstance(data, MultiValueDict):
            return [str(value) for value in data.getlist(name)]
        value = data.get(name, ())
        return [value] if isinstance(value, str) else [str(one) for one in value]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        given = _lines(value or ())
        names = [name for name, _ in self.known]
        context = super().get_context(name, "\n".join(line for line in given if line not in names), attrs)
        context["widget"]["known"] = [(path, label, path in given) for path, label in self.known]
        return context

    def id_for_label(self, id_: str) -> str:
        return f"{id_}_lines" if id_ else id_


class SignalsField(forms.Field):
    """A list of signals: ticks, one per line, or a JSON list."""

    widget = SignalsWidget

    def to_python(self, value: Any) -> list[str]:
        found: dict[str, None] = {}
        for line in _lines(value or ()):
            found.update(dict.fromkeys(_listed(line) if line.startswith("[") else [line]))
        return list(found)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return list(initial or ()) != self.to_python(data)
        except ValidationError:
            return True


def _lines(values: Iterable[str]) -> list[str]:
    """Each line by itself; a text that begins a JSON list stays whole."""
    lines: list[str] = []
    for value in values:
        text = value.strip()
        lines += [text] if text.startswith("[") else [line.strip() for line in text.splitlines() if line.strip()]
    return lines


def _listed(text: str) -> list[str]:
    value = parse_json(text)
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValidationError('A JSON list holds texts alone, for example ["created", "updated"].')
    return value
