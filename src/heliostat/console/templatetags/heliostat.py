"""`{% load heliostat %}`: form fields in the console's dress, and sortable columns."""

from __future__ import annotations

from typing import Any

from django import forms, template
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeData, mark_safe

from heliostat.text import LINES, escape

register = template.Library()

_CLASSES: tuple[tuple[type[forms.Widget], str], ...] = (
    (forms.CheckboxInput, "form-check-input"),
    (forms.RadioSelect, "choices"),  # and its subclass CheckboxSelectMultiple: the class of the box around them, too
    (forms.Select, "form-select"),
    (forms.Widget, "form-control"),
)


@register.filter
def visible(value: object) -> str:
    """A text that nobody looked at, with hidden characters written out: they would change how the page is read."""
    text = str(value)
    shown = escape(text, LINES)
    return mark_safe(shown) if isinstance(text, SafeData) else shown  # noqa: S308  it was HTML before, and no less now


@register.inclusion_tag("heliostat_console/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A field with label, help and errors, whatever form it belongs to (brokers bring their own)."""
    widget = bound.field.widget
    css = next(css for kind, css in _CLASSES if isinstance(widget, kind))
    if bound.errors:
        css += " is-invalid"
    attributes: dict[str, str | bool] = {"class": f"{widget.attrs.get('class', '')} {css}".strip()}
    return {
        "field": bound,
        "control": bound.as_widget(attrs=attributes),
        "is_check": isinstance(widget, forms.CheckboxInput),
    }


@register.inclusion_tag("heliostat_console/fields.html")
def fields(form: forms.BaseForm) -> dict[str, Any]:
    """All fields of a form, with what is wrong with the form as a whole."""
    return {"form": form}


@register.inclusion_tag("heliostat_console/sort.html", takes_context=True)
def sort(context: template.Context, label: str, key: str, current: str) -> dict[str, Any]:
    """A column head that sorts by `key`, and the other way round when chosen again."""
    query = context["request"].GET.copy()
    for name in ("page", "after", "before"):
        query.pop(name, None)
    query["sort"] = f"-{key}" if current == key else key
    direction = {key: "ascending", f"-{key}": "descending"}.get(current, "none")
    return {"label": label, "query": query.urlencode(), "direction": direction}
