"""Who may view what: as a condition in SQL for lists, and for one object.

Both follow the same rules. An object is viewed by its owner; by everybody, where it is public; by the members of its
groups, where its visibility says so; and by users and groups with a right of their own to it, which are the rows of
django-guardian.
"""

from __future__ import annotations

import time
from functools import cache
from typing import Any, TypeVar

from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q, QuerySet
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from heliostat.conf import conf
from heliostat.permissions import has_permission
from heliostat.rights.conf import rights_settings
from heliostat.rights.models import Guarded, Visibility

G = TypeVar("G", bound=Guarded)
KNOWN_GROUPS = "heliostat_groups"
"""On an object that is being inserted or deleted: the keys of its groups, which its rows do not say then."""

HELD = "heliostat_rights"
"""On an object: the key of a user, when their rights to it were read (monotonic seconds), and the rights."""


def groups_of(user: Any) -> QuerySet[Group]:
    """Return the groups that a user is a member of. A user model of a project's own may have none."""
    groups = getattr(user, "groups", None)
    return Group.objects.none() if groups is None else groups.all()


def sees_all(user: Any, model: type[models.Model]) -> bool:
    """Return whether Django's permission to view or change the whole model is the user's."""
    return any(has_permission(user, action, model) for action in ("view", "change"))


def own(model: type[Guarded], user: Any, prefix: str = "", also: tuple[str, ...] = ()) -> Q:
    """Return the condition that an object's own owner, visibility, groups and rights let a user view it.

    `also` are values of `visibility` that let everybody view it who gets as far.
    """
    everybody = Q(**{f"{prefix}visibility__in": (Visibility.PUBLIC, *also)})
    if not getattr(user, "is_active", False):
        return everybody
    groups = groups_of(user).values("pk")
    shared = _through(model).filter(group__in=groups).values(_source(model))
    by_user = rights_rows(UserObjectPermissionBase, model).filter(user=user)
    by_group = rights_rows(GroupObjectPermissionBase, model).filter(group__in=groups)
    key = f"{prefix}pk__in"
    return (
        everybody
        | Q(**{f"{prefix}{model.owner_field}": user})
        | Q(**{f"{prefix}visibility": Visibility.GROUP, key: shared})
        | Q(**{key: by_user.values("content_object")})
        | Q(**{key: by_group.values("content_object")})
    )


def is_own(obj: Guarded, user: Any, also: tuple[str, ...] = ()) -> bool:
    """Return the same for one object."""
    if obj.visibility in (Visibility.PUBLIC, *also):
        return True
    if not getattr(user, "is_active", False):
        return False
    return obj.owner_key == user.pk or is_shared(obj, user) or has_right(obj, user)


def is_shared(obj: Guarded, user: Any) -> bool:
    """Return whether it is shared with a group that the user is a member of."""
    return obj.visibility == Visibility.GROUP and groups_of(user).filter(pk__in=group_keys(obj)).exists()


def group_keys(obj: Guarded) -> Any:
    """Return the keys of the groups of an object, as a query where its rows say them."""
    known = obj.__dict__.get(KNOWN_GROUPS)
    if known is not None:
        return known
    through, source = _through(type(obj)), _source(type(obj))
    return through.using(obj._state.db).filter(**{source: obj.pk}).values("group")


def has_right(obj: Guarded, user: Any, codename: str = "") -> bool:
    """Return whether a user, or a group of theirs, has this right of their own to an object, or any.

    The rights are read in one query, and remembered with the object for HELIOSTAT_PERMISSION_CACHE seconds: a page
    asks for several.
    """
    if not codename:
        return bool(_rights_held(obj, user))
    now = time.monotonic()
    holder, since, held = obj.__dict__.get(HELD, (None, 0.0, frozenset()))
    if holder != user.pk or now - since >= conf.permission_cache:
        held = _rights_held(obj, user)
        obj.__dict__[HELD] = (user.pk, now, held)
    return codename in held


def _rights_held(obj: Guarded, user: Any) -> frozenset[str]:
    by_user = rights_rows(UserObjectPermissionBase, type(obj)).filter(user=user)
    by_group = rights_rows(GroupObjectPermissionBase, type(obj)).filter(group__in=groups_of(user).values("pk"))
    one, other = (
        rows.filter(content_object_id=obj.pk).values_list("permission__codename", flat=True)
        for rows in (by_user, by_group)
    )
    return frozenset(one.union(other))


class VisibleQuerySet(models.QuerySet[Any]):
    """Objects of a guarded model."""

    def visible_to(self, user: Any) -> Any:
        """Return those that a user, who may be anonymous, may view: in the same query, however many are private."""
        if sees_all(user, self.model):
            return self.all()
        if not getattr(user, "is_active", False) and not rights_settings.open_read:
            return self.none()
        return self.filter(self.model.visible(user))


def may_view(user: Any, obj: Guarded) -> bool:
    """Return whether a user, who may be anonymous, may view an object."""
    if getattr(user, "is_active", False):
        return has_permission(user, "view", type(obj), obj) or has_permission(user, "change", type(obj))
    return rights_settings.open_read and obj.is_visible_to(user)


def _through(model: type[Guarded]) -> Any:
    return model.groups.through._default_manager


def _source(model: type[Guarded]) -> str:
    return str(model._meta.get_field("groups").m2m_field_name())


def rights_rows(base: type[models.Model], guarded: type[models.Model]) -> QuerySet[Any]:
    """Return the rows of rights of users, or of groups, to objects of a model."""
    rows: QuerySet[Any] = _rights_model(base, guarded)._default_manager.order_by()
    return rows


@cache
def _rights_model(base: type[models.Model], guarded: type[models.Model]) -> type[models.Model]:
    """Django-guardian finds the same model, and asks for content types at first."""
    related: Any = (relation.related_model for relation in guarded._meta.related_objects)
    found: type[models.Model] = next(model for model in related if issubclass(model, base))
    return found
