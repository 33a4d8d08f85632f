"""What a team adds to a target, in forms: status, class, priority, tags, the extra fields that it declares, lists."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from heliostat.targets.conf import target_settings
from heliostat.targets.extras import ExtraField, declared_fields
from heliostat.targets.groupings import TargetList, read_tags, tags_of
from heliostat.targets.models import Target, TargetExtra
from heliostat.targets.workflow import classification_choices, status_choices
from heliostat.text import validate_text

TEAM = ("status", "priority", "classification", "tags")


class TagsField(forms.CharField):
    """Tags with commas between them. Its value is a list of words."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("help_text", "Words with commas between them: bright, host galaxy.")
        super().__init__(required=False, max_length=1000, **options)

    def to_python(self, value: Any) -> Any:
        return read_tags(super().to_python(value) or "")

    def run_validators(self, value: Any) -> None:
        for word in value:
            super().run_validators(word)

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) or value is None else ", ".join(map(str, value))

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool([str(word) for word in initial or ()] != self.to_python(data))
        except ValidationError:
            return True


class TeamFields(forms.ModelForm):  # type: ignore[type-arg]
    """Offers the states that may follow, and the classes of the taxonomy."""

    priority = forms.IntegerField(
        min_value=0, max_value=10, required=False, help_text="From 0 to 10; 10 is the most urgent."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        target = self.instance
        if target_settings.statuses:
            choices = status_choices(target.status)
            self.fields["status"] = forms.ChoiceField(choices=choices, required=False, label="Status")
        else:
            self.fields.pop("status", None)
        choices = classification_choices(target.classification)
        self.fields["classification"] = forms.ChoiceField(choices=choices, required=False, label="Classification")

    def clean_status(self) -> str:
        """A form that says nothing of the status leaves it."""
        return str(self.cleaned_data["status"] or self.instance.status)

    def clean_priority(self) -> int:
        return int(self.cleaned_data["priority"] or 0)


class DeclaredFieldsForm(forms.Form):
    """The extra fields that the setting declares."""

    def __init__(self, data: Any = None, *, instance: Target, prefix: str = "fields") -> None:
        super().__init__(data, prefix=prefix)
        self.target = instance
        self.declared = declared_fields()
        rows = TargetExtra.objects.filter(target_id=instance.pk, key__in=self.declared) if instance.pk else ()
        self.stored = {row.key: row for row in rows}
        for name, field in self.declared.items():
            row = self.stored.get(name)
            self.fields[name] = ExtraValueField(field, row.value if row else "")

    def save(self) -> None:
        """Save what changed; a field that was emptied is an extra that is deleted."""
        for name in self.changed_data:
            value, row = self.cleaned_data[name], self.stored.get(name)
            if row and not value:
                row.delete()
            elif row:
                row.value = value
                row.save(update_fields=["value"])
            elif value:
                TargetExtra.objects.create(target=self.target, key=name, value=value)


class ExtraValueField(forms.CharField):
    """A value of a declared field, as it is stored."""

    def __init__(self, field: ExtraField, stored: str) -> None:
        self.declared = field
        super().__init__(
            required=False,
            initial=stored,
            max_length=10_000,
            label=field.label,
            help_text=field.help_text,
            widget=_widget(field, stored),
            validators=[validate_text],
        )

    def to_python(self, value: Any) -> str:
        return self.declared.read(super().to_python(value) or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return str(initial or "") != str(data or "").strip()


def _widget(field: ExtraField, stored: str) -> forms.Widget:
    """A select offers what is stored, too, where the setting does not have it any longer."""
    offered = {"boolean": ("true", "false"), "choice": field.choices}.get(field.type)
    if offered is not None:
        values = dict.fromkeys(["", *offered, stored])
        return forms.Select(choices=[(one, field.shown(one) or "not known") for one in values])
    return forms.TextInput({"number": {"inputmode": "decimal"}, "date": {"type": "date"}}.get(field.type, {}))


class ListForm(forms.ModelForm):  # type: ignore[type-arg]
    """A list of targets."""

    class Meta:
        model = TargetList
        fields = ("name", "description", "is_shared")
        widgets = {"description": forms.Textarea({"rows": 3})}

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = TargetList.objects.filter(owner=self.instance.owner, name=name).exclude(pk=self.instance.pk)
        if others.exists():
            raise ValidationError("You have a list of this name.", code="duplicate")
        return name


def set_tags(target: Target, words: list[str]) -> None:
    """Mark a target with these tags and no other."""
    target.tags.set(tags_of(words))
