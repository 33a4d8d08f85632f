"""Admin pages of objects with owners and groups; their rights open the pages of the site alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, auth
from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from heliostat.checked_input import CheckedInput
from heliostat.console.saving import SaveChanges
from heliostat.permissions import ObjectPermissions
from heliostat.rights.backend import Backend
from heliostat.rights.models import GroupManager
from heliostat.visible import VisibleText

if TYPE_CHECKING:
    from django.db.models import Model


class GuardedPages(ObjectPermissions):
    """The admin asks all backends but ours: its forms name objects by key, whether they are shared or not.

    Who owns an object, and everybody who may add one, has the pages of the site for it.
    """

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_granted(request.user, "add", self.model)

    def _has_object_permission(self, request: HttpRequest, action: str, obj: Any) -> bool:
        return obj is not None and is_granted(request.user, action, self.model, obj)


def is_granted(user: Any, action: str, model: type[Model], obj: Model | None = None) -> bool:
    """Return whether a user has a permission for a model, or for one object, by another backend than ours."""
    if not user.is_active:
        return False
    if user.is_superuser:
        return True
    permission = f"{model._meta.app_label}.{get_permission_codename(action, model._meta)}"
    for backend in auth.get_backends():
        if isinstance(backend, Backend) or not hasattr(backend, "has_perm"):
            continue
        try:
            if backend.has_perm(user, permission, obj):
                return True
        except PermissionDenied:
            return False
    return False


@admin.register(GroupManager)
class GroupManagerAdmin(SaveChanges, CheckedInput, VisibleText, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("group", "user")
    list_select_related = ("group", "user")
    search_fields = ("group__name",)
    raw_id_fields = ("group", "user")
