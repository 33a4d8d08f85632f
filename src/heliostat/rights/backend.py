"""The authentication backend that answers `user.has_perm()` for targets, observations and data."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.apps import apps
from django.contrib.auth.backends import BaseBackend

from heliostat.rights.conf import rights_settings
from heliostat.rights.models import GroupManager, Guarded, Visibility
from heliostat.rights.visibility import group_keys, has_right


class Backend(BaseBackend):
    """Decides from owner, visibility, groups, and the rights of single users and groups.

    - `add` without an object: every active user, unless HELIOSTAT_USERS_MAY_ADD is False.
    - `add` with the object that something is added to, an observation to a target for example: every active user who
      may view that object, unless HELIOSTAT_USERS_MAY_ADD is False.
    - `view` with an object: its owner; everybody, where it is public; members of its groups; users and groups with any
      right of their own.
    - `change` and `share`: its owner; managers of its groups; users and groups with that right.
    - `delete`: its owner; users and groups with that right.

    Other permissions are those of other backends. It logs nobody in.
    """

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        model = guarded_model(perm)
        if model is None or not getattr(user_obj, "is_active", False):
            return False
        codename = perm.partition(".")[2]
        action = codename.partition("_")[0]
        if action == "add":
            may_add_here = obj is None or (isinstance(obj, Guarded) and obj.is_visible_to(user_obj))
            return rights_settings.users_may_add and may_add_here
        if not isinstance(obj, Guarded) or obj._meta.concrete_model is not model or not obj.is_visible_to(user_obj):
            return False
        return action == "view" or self._may(user_obj, action, codename, obj)

    def _may(self, user: Any, action: str, codename: str, obj: Guarded) -> bool:
        """Decide about a user who may view the object."""
        if obj.owner_key is not None and obj.owner_key == user.pk:
            return True
        return (action in ("change", "share") and manages(user, obj.governing)) or has_right(obj, user, codename)


@cache
def guarded_model(permission: str) -> type[Guarded] | None:
    """Return the guarded model that a permission is about: of `heliostat_targets.view_target` the targets."""
    app_label, _, codename = permission.partition(".")
    name = codename.partition("_")[2]
    try:
        model = apps.get_model(app_label, name)
    except (LookupError, ValueError):
        return None
    return model if issubclass(model, Guarded) else None


def manages(user: Any, obj: Guarded) -> bool:
    """Return whether a user manages one of the groups that an object is shared with."""
    if obj.visibility != Visibility.GROUP:
        return False
    return GroupManager.objects.filter(user=user, group__in=group_keys(obj)).exists()
