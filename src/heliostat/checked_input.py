"""Pages of the admin that check what a request says before a widget or a database does: both fail of odd values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import ForeignKey, IntegerField, JSONField, ManyToManyField
from django.http import HttpRequest, HttpResponse

from heliostat.form_fields import JsonField, KeyField, KeysField
from heliostat.objects import find_object, is_key

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    AdminMixin = ModelAdmin[Any]
else:
    AdminMixin = object

HUGE = re.compile(r"[0-9]{19}")  # digits of a number that a column of some database does not hold
OFFERED = frozenset({"exact", "isnull", "in", "gte", "lt"})
"""The lookups of Django's list filters. Others (`created__year=99999`, `name__regex=(`) fail in the database."""


class CheckedInput(AdminMixin):
    """Lists take the lookups of filters alone, actions take keys alone, and fields of forms check what is posted.

    The form of a new object begins with values that its fields take.
    """

    formfield_overrides: ClassVar[Any] = {
        JSONField: {"form_class": JsonField},
        ForeignKey: {"form_class": KeyField},
        ManyToManyField: {"form_class": KeysField},
    }

    def response_action(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse | None:
        """Run an action on the chosen objects. What is no key chooses nothing."""
        posted: Any = request.POST.copy()
        chosen = [key for key in posted.getlist(ACTION_CHECKBOX_NAME) if is_key(self.model, key)]
        posted.setlist(ACTION_CHECKBOX_NAME, chosen)
        request.POST = posted
        return super().response_action(request, *args, **kwargs)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        name, *ends = lookup.split("__")
        if "\x00" in str(value) or not OFFERED.issuperset(self._lookups(name) & set(ends)):
            return False
        if HUGE.search(str(value)) and self._is_number(name):
            return False
        return super().lookup_allowed(lookup, value, request)

    def _is_number(self, name: str) -> bool:
        try:
            field = self.opts.pk if name == "pk" else self.opts.get_field(name)
        except FieldDoesNotExist:
            return False
        return isinstance(field, (IntegerField, ForeignKey))

    def _lookups(self, name: str) -> set[str]:
        try:
            return set(getattr(self.opts.get_field(name), "get_lookups", dict)())
        except FieldDoesNotExist:  # the name of a filter, or nonsense, which Django refuses
            return set()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        initial = super().get_changeform_initial_data(request)
        read = {name: self._read(name, value) for name, value in initial.items()}
        return {name: value for name, value in read.items() if value is not None}

    def _read(self, name: str, value: Any) -> Any:
        """Return the value as the field has it; None where the field can have no such value."""
        try:
            field = self.opts.get_field(name)
        except FieldDoesNotExist:
            return value
        if field.related_model is not None:
            objects = field.related_model._base_manager.all()
            keys = value if isinstance(value, list) else [value]
            return value if all(find_object(objects, key) for key in keys) else None
        try:
            return field.to_python(value)
        except (ValidationError, ValueError, TypeError, ArithmeticError):
            return None
