"""Django's permissions, of a model or of one of its objects: `is_staff` is not one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_permission_codename
from django.db.models import Model
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    AdminMixin = ModelAdmin[Any]
else:
    AdminMixin = object


def has_permission(user: Any, action: str, model: type[Model], obj: Model | None = None) -> bool:
    """Return whether an active user may `view`, `add`, `change` or `delete` objects of a model, or this one object.

    The permission on the model counts for each of its objects; a permission on one object is for authentication
    backends that know objects. Users of a model without permissions have none.
    """
    has_perm = getattr(user, "has_perm", None)
    if has_perm is None or not getattr(user, "is_active", False):
        return False
    permission = f"{model._meta.app_label}.{get_permission_codename(action, model._meta)}"
    return bool(has_perm(permission) or (obj is not None and has_perm(permission, obj)))


def permitted(user: Any, action: str, model: type[Model], obj: Model | None = None) -> bool:
    """Return the same where permission to change is permission to view, as in Django's admin."""
    actions = ("view", "change") if action == "view" else (action,)
    return any(has_permission(user, one, model, obj) for one in actions)


def by_object(model: type[Model]) -> bool:
    """Return whether a model leaves it to the permissions on each object who is notified of it."""
    return bool(getattr(model, "heliostat_object_permissions", False))


class ObjectPermissions(AdminMixin):
    """Admin pages where a permission on one object counts for the page of that object."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) or any(
            self._has_object_permission(request, action, obj) for action in ("view", "change")
        )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) or self._has_object_permission(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) or self._has_object_permission(request, "delete", obj)

    def _has_object_permission(self, request: HttpRequest, action: str, obj: Any) -> bool:
        return obj is not None and has_permission(request.user, action, self.model, obj)
