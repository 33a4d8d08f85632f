"""Forms that share an object: its visibility, its groups, and rights of single users and groups."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from guardian.shortcuts import assign_perm

from heliostat.console.saving import save_columns
from heliostat.form_fields import KeyField, KeysField
from heliostat.permissions import has_permission
from heliostat.rights.models import Guarded, Visibility
from heliostat.rights.visibility import groups_of

VERBS = ("view", "change", "delete", "share")
NO_GROUP = "Choose at least one group."


class SharingForm(forms.ModelForm):  # type: ignore[type-arg]
    """Who may view an object. A user shares with groups that they are a member of; other groups of it stay."""

    groups = KeysField(Group.objects.none(), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, user: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        own = Group.objects.all() if user.is_superuser else groups_of(user)
        self.fields["groups"].queryset = own.order_by("name")  # type: ignore[attr-defined]
        self.fields["groups"].help_text = (
            "With which of your groups, where the visibility is “Groups”."
            if own.exists()
            else "You are a member of no group."
        )
        self.fields["visibility"].required = False
        if self.instance.pk:
            self.initial["groups"] = list(self.instance.groups.values_list("pk", flat=True))
        elif self.instance.visibility == Visibility.GROUP:
            self.initial["groups"] = list(groups_of(user).values_list("pk", flat=True))
            if not self.initial["groups"]:
                self.initial["visibility"] = Visibility.PRIVATE

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.is_sent:
            cleaned["visibility"] = self.instance.visibility
        elif not cleaned.get("visibility") and not self.instance._meta.get_field("visibility").blank:
            self.add_error("visibility", forms.ValidationError("Choose who may view it.", code="required"))
        elif cleaned.get("visibility") == Visibility.GROUP and not (cleaned.get("groups") or self._others().exists()):
            self.add_error("groups", forms.ValidationError(NO_GROUP, code="required"))
        return cleaned

    def _post_clean(self) -> None:
        """Set what was chosen, without a look at the other fields: those are of another form."""
        if self.is_sent and not self.errors:
            self.instance.visibility = self.cleaned_data["visibility"]

    @property
    def is_sent(self) -> bool:
        """Whether the form was sent at all: a program may post the fields of the object alone, which share nothing."""
        return self.add_prefix("visibility") in self.data

    def save(self, commit: bool = True) -> Any:  # noqa: ARG002
        """Save what was chosen, for an object that is saved already."""
        if self.is_sent:
            if "visibility" in self.changed_data:
                save_columns(self.instance, ["visibility"])
            self.instance.groups.set([*self.cleaned_data["groups"], *self._others()])
        return self.instance

    def _others(self) -> QuerySet[Group]:
        """Return the groups of the object that the user is no member of."""
        if self.instance.pk is None:
            return Group.objects.none()
        found: QuerySet[Group] = self.instance.groups.exclude(pk__in=self.fields["groups"].queryset.values("pk"))  # type: ignore[attr-defined]
        return found


def sharing_form(user: Any, obj: Guarded, data: Any = None) -> SharingForm | None:
    """Return the form that shares an object, or None where the user may not."""
    if obj.pk is not None and not has_permission(user, "share", type(obj), obj):
        return None
    made: Any = forms.modelform_factory(type(obj), form=SharingForm, fields=("visibility", "groups"))
    form: SharingForm = made(data, instance=obj, user=user)
    return form


class RightForm(forms.Form):
    """One more right of a user, by the exact user name, or of a group."""

    username = forms.CharField(label="User name", required=False, max_length=150)
    group = KeyField(Group.objects.none(), required=False)
    right = forms.ChoiceField(choices=[(verb, verb) for verb in VERBS])

    def __init__(self, *args: Any, user: Any, obj: Guarded, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._user = user
        self._obj = obj
        own = Group.objects.all() if user.is_superuser else groups_of(user)
        self.fields["group"].queryset = own.order_by("name")  # type: ignore[attr-defined]

    def clean_username(self) -> Any:
        name = self.cleaned_data["username"]
        if not name:
            return None
        users = get_user_model()
        found = users._default_manager.filter(**{users.USERNAME_FIELD: name, "is_active": True}).first()
        if found is None:
            raise forms.ValidationError("There is no active user with this name.", code="unknown")
        return found

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not self.errors and bool(cleaned.get("username")) == bool(cleaned.get("group")):
            raise forms.ValidationError("Name one user or one group.", code="one")
        if not self.errors and not self._may_give(cleaned["right"]):
            self.add_error("right", "You do not have this right yourself.")
        return cleaned

    def _may_give(self, verb: str) -> bool:
        return has_permission(self._user, verb, type(self._obj), self._obj)

    def save(self) -> None:
        """Give the right."""
        codename = f"{self.cleaned_data['right']}_{self._obj._meta.model_name}"
        assign_perm(codename, self.cleaned_data["username"] or self.cleaned_data["group"], self._obj)
