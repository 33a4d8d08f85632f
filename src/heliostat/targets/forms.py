from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.models import BaseInlineFormSet

from heliostat.console.saving import CHANGED_MEANWHILE, SeenField, save_columns
from heliostat.targets.extras import declared_fields
from heliostat.targets.fields import CoordinatesField
from heliostat.targets.models import ELEMENTS, Target, TargetExtra, TargetName
from heliostat.targets.names import key_of
from heliostat.targets.team_forms import TEAM, TagsField, TeamFields, set_tags

BASICS = ("name", "type", "coordinates")
MOTION = ("epoch", "parallax", "pm_ra", "pm_dec", "distance", "distance_err")
ORBIT = (
    *ELEMENTS,
    "semimajor_axis",
    "mean_anomaly",
    "mean_daily_motion",
    "perihdist",
    "epoch_of_perihelion",
    "abs_mag",
    "slope",
    "ephemeris_period",
    "ephemeris_period_err",
    "ephemeris_epoch",
    "ephemeris_epoch_err",
)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the form."""

    title: str
    fields: list[forms.BoundField]
    is_open: bool
    type: str
    """The type of targets that it is for; of all where empty."""


class TargetForm(TeamFields):
    """A target's own fields. Which are needed depends on its type; the model says so."""

    coordinates = CoordinatesField(required=False)
    tags = TagsField()
    seen = SeenField(required=False)

    class Meta:
        model = Target
        fields = ("name", "type", "status", "priority", "classification", *MOTION, *ORBIT)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("coordinates", self.instance.position)
        if self.instance.pk:
            self.initial["seen"] = self.instance.modified.isoformat()
            self.initial["tags"] = list(self.instance.tags.all())

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.instance.pk and cleaned.get("seen") and cleaned["seen"] != self.initial["seen"]:
            raise forms.ValidationError(CHANGED_MEANWHILE, code="changed")
        if "coordinates" in self.changed_data and "coordinates" not in self.errors:
            self.instance.ra, self.instance.dec = cleaned["coordinates"] or (None, None)
        return cleaned

    def add_error(self, field: str | None, error: Any) -> None:
        """Show what is wrong with a position beside the coordinates, once."""
        found = getattr(error, "error_dict", None)
        if found and (places := [found.pop(name) for name in ("ra", "dec") if name in found]):
            found |= {} if "coordinates" in self.errors else {"coordinates": places[0]}
        super().add_error(field, error)

    def save(self, commit: bool = True) -> Target:
        """Save the target: of one that is there, what the form changed."""
        if self.instance.pk is None or not commit or self.errors:
            super().save(commit)
        else:
            places = ["ra", "dec"] if "coordinates" in self.changed_data else []
            save_columns(self.instance, [*self.changed_data, *places])
        if commit and "tags" in self.changed_data:
            set_tags(self.instance, self.cleaned_data["tags"])
        return self.instance  # type: ignore[no-any-return]

    def sections(self) -> list[Section]:
        """The fields in parts; all but the first are folded away until they matter."""
        fixed, moving = Target.Type.SIDEREAL, Target.Type.NON_SIDEREAL
        return [
            self._section("", BASICS, is_open=True),
            self._section("Status, class and tags", [name for name in TEAM if name in self.fields], is_open=True),
            self._section("Motion and distance", MOTION, is_open=False, of_type=fixed),
            self._section("Orbital elements", ORBIT, is_open=self["type"].value() == moving, of_type=moving),
        ]

    def _section(self, title: str, names: Sequence[str], *, is_open: bool, of_type: str = "") -> Section:
        fields = [self[name] for name in names]
        return Section(title, fields, is_open or any(field.errors for field in fields), of_type)


class DistinctNames(BaseInlineFormSet):  # type: ignore[type-arg]
    """Aliases that are other names than the target's own, and than each other."""

    def clean(self) -> None:
        super().clean()
        seen = {key_of(self.instance.name)}
        for form in self.forms:
            kept = form.is_valid() and not form.cleaned_data.get("DELETE")
            name = form.cleaned_data.get("name") if kept else None
            if name and (key := key_of(name)) in seen:
                form.add_error("name", "The target has this name twice; case, blanks and dashes make no difference.")
            elif name:
                seen.add(key)


AliasFormSet: type[BaseInlineFormSet[Any, Any, Any]] = forms.inlineformset_factory(
    Target, TargetName, formset=DistinctNames, fields=("name",), extra=2, can_delete_extra=False
)


class OtherExtras(BaseInlineFormSet):  # type: ignore[type-arg]
    """Extras for which the setting declares no field."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options["queryset"] = TargetExtra.objects.exclude(key__in=declared_fields())
        super().__init__(*args, **options)

    def clean(self) -> None:
        super().clean()
        for form in self.forms:
            if form.is_valid() and form.cleaned_data.get("key") in declared_fields():
                form.add_error("key", "This extra has a field of its own in this form.")


ExtraFormSet: type[BaseInlineFormSet[Any, Any, Any]] = forms.inlineformset_factory(
    Target,
    TargetExtra,
    formset=OtherExtras,
    fields=("key", "value"),
    extra=2,
    can_delete_extra=False,
    widgets={"value": forms.TextInput},
)
