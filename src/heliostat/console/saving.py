"""Pages that save what a person changed, and nothing that somebody else has changed meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.db.models import Model
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    AdminMixin = ModelAdmin[Any]
else:
    AdminMixin = object

CHANGED_MEANWHILE = (
    "Somebody changed this since you opened the page, and to save it would undo that. Open the page again, in another "
    "tab, and make your changes there."
)


class SeenField(forms.CharField):
    """Which version of a row a page shows, as its `modified`; nothing that a person writes."""

    widget = forms.HiddenInput

    def has_changed(self, initial: Any, data: Any) -> bool:  # noqa: ARG002
        return False


def save_columns(instance: Model, names: list[str]) -> None:
    """Save these fields of an existing object, and those that Django sets at each save."""
    columns = instance._meta.concrete_fields
    instance.save(update_fields=[one.name for one in columns if one.name in names or getattr(one, "auto_now", False)])


class SaveChanges(AdminMixin):
    """Admin pages of objects that are there write the columns that a person changed."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            save_columns(obj, form.changed_data)
        else:
            super().save_model(request, obj, form, change)
