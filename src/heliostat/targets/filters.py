"""The filters of the list of targets: a form that a link fills in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet

from heliostat.targets.conf import target_settings
from heliostat.targets.extras import ExtraField, date_of, declared_fields, number_of, text_of
from heliostat.targets.fields import ConeForm
from heliostat.targets.models import Target, TargetExtra, TargetList
from heliostat.targets.search import by_words, within
from heliostat.targets.workflow import classification_choices, is_classified

_LAST = "\U0010ffff"
ENDS = {"number": ("min", "max"), "date": ("from", "to")}
"""The two fields of a range, by type."""


class TargetFilter(ConeForm):
    """What a list of targets is narrowed by. `apply()` reads only what is valid."""

    q = forms.CharField(required=False, max_length=200, strip=True)
    type = forms.ChoiceField(required=False, choices=[("", "any"), *Target.Type.choices])
    tag = forms.CharField(required=False, max_length=50)
    owner = forms.CharField(required=False, max_length=200, help_text="A user's name.")

    def __init__(self, data: Any, user: Any) -> None:
        super().__init__(data)
        self.user = user
        lists = TargetList.objects.seen_by(user).values_list("pk", "name")
        offered: dict[str, tuple[str, list[tuple[Any, str]]]] = {
            "status": ("Status", [(one, one.capitalize()) for one in target_settings.statuses]),
            "classification": ("Class, with those below it", classification_choices()[1:]),
            "list": ("List", list(lists)),
            "data": ("Data products", [("yes", "with data"), ("no", "without data")]),
        }
        for name, (label, choices) in offered.items():
            self.fields[name] = forms.ChoiceField(label=label, choices=[("", "any"), *choices], required=False)
        for field in declared_fields().values():
            self.fields |= dict(_fields_of(field))

    @property
    def narrowing(self) -> list[forms.BoundField]:
        """The fields beside the search by name."""
        return [self[name] for name in self.fields if name != "q"]

    @property
    def is_narrowed(self) -> bool:
        """Whether another field than the search by name has a value."""
        return any(self.data.get(name) for name in (*self.fields, "ra", "dec") if name != "q")

    def apply(self, targets: QuerySet[Target]) -> QuerySet[Target]:
        """Return the targets that are left; none where a field is not valid."""
        if not self.is_valid():
            return targets.none()
        given: dict[str, Any] = self.cleaned_data
        targets = by_words(targets, given["q"])
        if given["coordinates"] is not None:
            ra, dec = given["coordinates"]
            targets = within(ra, dec, given["radius"], targets)
        return targets.filter(*self._conditions(given))

    def _conditions(self, given: dict[str, Any]) -> Iterator[Any]:
        yield from (Q(**{name: given[name]}) for name in ("type", "status") if given[name])
        if given["classification"]:
            yield is_classified(given["classification"])
        if given["tag"]:
            yield Q(
                pk__in=Target.tags.through._default_manager.filter(tag__folded=text_of(given["tag"])).values("target")
            )
        if given["list"]:
            yield Q(
                pk__in=TargetList.targets.through._default_manager.filter(targetlist=given["list"]).values("target")
            )
        if given["owner"]:
            users = get_user_model()
            yield Q(owner__in=users._default_manager.filter(**{users.USERNAME_FIELD: given["owner"]}))
        if given["data"]:
            has_data = Exists(_data_products(self.user).filter(target=OuterRef("pk")))
            yield has_data if given["data"] == "yes" else ~has_data
        for name, field in declared_fields().items():
            if condition := _condition(field, given):
                extras = TargetExtra.objects.filter(condition, key=name)
                yield Q(pk__in=extras.values("target"))


def _data_products(user: Any) -> QuerySet[Any]:
    """The data products that the user sees: the app that has them is above this one."""
    model: Any = Target._meta.get_field("data_products").related_model
    return model._default_manager.visible_to(user)  # type: ignore[no-any-return]


def _fields_of(field: ExtraField) -> Iterator[tuple[str, forms.Field]]:
    """The fields by which a declared extra field is filtered."""
    name = f"x.{field.name}"
    if field.type in ENDS:
        for end in ENDS[field.type]:
            yield f"{name}.{end}", _End(field, label=f"{field.label}, {end}", required=False, max_length=50)
    elif field.type == "text":
        yield name, forms.CharField(label=field.label, required=False, max_length=100, help_text="Begins with.")
    else:
        values = ("true", "false") if field.type == "boolean" else field.choices
        choices = [("", "any"), *((one, field.shown(one)) for one in values)]
        yield name, forms.ChoiceField(label=field.label, required=False, choices=choices)


class _End(forms.CharField):
    """An end of a range of a declared field: a number, or a date."""

    def __init__(self, field: ExtraField, **options: Any) -> None:
        self.declared = field
        super().__init__(**options)

    def clean(self, value: Any) -> Any:
        text = self.declared.read(super().clean(value))
        return (number_of if self.declared.type == "number" else date_of)(text) if text else None


def _condition(field: ExtraField, given: dict[str, Any]) -> Q | None:
    """The condition on the typed column of an extra; None where nothing is asked for."""
    name = f"x.{field.name}"
    if field.type in ENDS:
        low, high = (given[f"{name}.{end}"] for end in ENDS[field.type])
        parts = [Q(**{f"{field.column}__gte": low})] if low is not None else []
        parts += [Q(**{f"{field.column}__lte": high})] if high is not None else []
        return Q(*parts) if parts else None
    text = text_of(given[name])
    if not text:
        return None
    return Q(as_text__gte=text, as_text__lt=text + _LAST) if field.type == "text" else Q(as_text=text)
