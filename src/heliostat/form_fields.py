"""Fields of forms that answer every value that is posted with an error beside the field, never with an exception."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

from heliostat.json_values import parse_json
from heliostat.objects import is_key


class JsonField(forms.JSONField):
    """A JSON value that every database can store, shown with line breaks; an empty text is an empty object."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip():
            return parse_json(value)
        return {} if value is None or isinstance(value, str) else value

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What was just sent, right or wrong, is shown as it is."""
        return initial if self.disabled or data is None else InvalidJSONInput(data)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, InvalidJSONInput):
            return value
        text = json.dumps(value, indent=2, ensure_ascii=False, cls=self.encoder) if value else ""
        return text.encode("utf-8", "backslashreplace").decode()  # half a character is written as an escape

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return not self.disabled and bool((initial or {}) != self.to_python(data))
        except ValidationError:
            return True


class KeyField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """The primary key of an object. Django looks some values up that are no key, and fails; so do its widgets."""

    def to_python(self, value: Any) -> Any:
        if value not in self.empty_values and not self._is_key(value):
            raise ValidationError(self.error_messages["invalid_choice"], code="invalid_choice", params={"value": value})
        return super().to_python(value)

    def prepare_value(self, value: Any) -> Any:
        """Return what the widget shows: nothing for a text that is no key."""
        shown = super().prepare_value(value)
        return None if isinstance(shown, str) and shown and not self._is_key(shown) else shown

    def _is_key(self, value: object) -> bool:
        assert self.queryset is not None
        return is_key(self.queryset.model, value)


class KeysField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Primary keys of objects. Django looks some values up that are no key, and fails."""

    def clean(self, value: Any) -> Any:
        assert self.queryset is not None
        model = self.queryset.model
        wrong = [one for one in value if not is_key(model, one)] if isinstance(value, (list, tuple)) else []
        if wrong:
            message = self.error_messages["invalid_pk_value"]
            raise ValidationError(message, code="invalid_pk_value", params={"pk": f"{wrong[0]:.50}"})
        return super().clean(value)
