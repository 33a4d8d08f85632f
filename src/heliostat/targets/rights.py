"""Who may view targets, and which groups a new one is shared with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.contrib.auth import get_user_model
from django.db import models, router, transaction
from django.db.models import Q
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from heliostat.rights.conf import rights_settings
from heliostat.rights.models import Guarded, Visibility
from heliostat.rights.visibility import KNOWN_GROUPS, VisibleQuerySet, group_keys, is_own, may_view, own
from heliostat.targets.names import Named, NamedQuerySet

NOT_SHARED = "This name belongs to a target that is not shared with you."


def new_visibility() -> str:
    """Return the visibility of a target that nobody has chosen one for."""
    return rights_settings.new_targets


class TargetQuerySet(VisibleQuerySet, NamedQuerySet):  # type: ignore[override]
    """Targets: `visible_to(user)`, and statements over many rows that keep names and groups true."""

    def bulk_create(  # type: ignore[override]
        self, objs: Iterable[Any], batch_size: int | None = None, ignore_conflicts: bool = False, **options: Any
    ) -> list[Any]:
        """Insert targets, their names, and the groups that they are shared with."""
        given = list(objs)
        chosen = _known_groups(given, self.db)
        try:
            with transaction.atomic(using=self.db, savepoint=False):
                created = super().bulk_create(given, batch_size, ignore_conflicts, **options)
                if not options.get("update_conflicts"):
                    _share(chosen, self.db)
        finally:
            _forget(given)
        return created


class SharedTarget(Guarded, Named):
    """A target with a visibility. One that is new, and that groups may view, is shared with the groups of its owner."""

    visibility = models.CharField(max_length=10, choices=Visibility, default=new_visibility)

    viewer: Any = None
    """The user who writes it on a page; None where a program does, which may know every name."""

    objects = TargetQuerySet.as_manager()  # type: ignore[assignment,misc]

    class Meta:
        abstract = True

    def save_base(self, using: str | None = None, update_fields: Any = None, **options: Any) -> None:  # type: ignore[override]
        """Save the row, its name and, of a new one, its groups."""
        using = using or router.db_for_write(type(self), instance=self)
        if not self._state.adding or options.get("raw") or self._is_there(using):
            super().save_base(using=using, update_fields=update_fields, **options)
            return
        chosen = _known_groups([self], using)
        try:
            with transaction.atomic(using=using, savepoint=False):
                super().save_base(using=using, update_fields=update_fields, **options)
                _share(chosen, using)
        finally:
            _forget([self])

    def _is_there(self, using: str) -> bool:
        return self.pk is not None and type(self)._base_manager.using(using).filter(pk=self.pk).exists()

    def why_taken(self, holder: Any) -> str:
        is_shared = self.viewer is None or may_view(self.viewer, holder)
        return super().why_taken(holder) if is_shared else NOT_SHARED

    @classmethod
    def visible(cls, user: Any, prefix: str = "") -> Q:
        return own(cls, user, prefix)

    def is_visible_to(self, user: Any) -> bool:
        return is_own(self, user)


class TargetUserRight(UserObjectPermissionBase):
    """A right of one user to one target: to view, change, delete or share it."""

    heliostat_silent = True

    content_object = models.ForeignKey("heliostat_targets.Target", models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False
        verbose_name = "right of a user"
        verbose_name_plural = "rights of users"


class TargetGroupRight(GroupObjectPermissionBase):
    """A right of the members of one group to one target."""

    heliostat_silent = True

    content_object = models.ForeignKey("heliostat_targets.Target", models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False
        verbose_name = "right of a group"
        verbose_name_plural = "rights of groups"


def know_groups(instance: SharedTarget, **_: Any) -> None:
    """Before a target is deleted: keep its groups, so that their members can be notified of it."""
    if instance.visibility == Visibility.GROUP:
        instance.__dict__[KNOWN_GROUPS] = [row["group"] for row in group_keys(instance)]


def _known_groups(targets: Sequence[SharedTarget], using: str) -> list[SharedTarget]:
    """Note the groups of their owners on new targets that groups may view; return these targets."""
    shared = [target for target in targets if target.visibility == Visibility.GROUP and target.owner_key is not None]
    groups = _groups_of({target.owner_key for target in shared}, using)
    for target in shared:
        target.__dict__[KNOWN_GROUPS] = groups.get(target.owner_key, [])
    return shared


def _groups_of(users: Collection[Any], using: str) -> dict[Any, list[Any]]:
    """Return the keys of the groups of some users, by user."""
    field: Any = getattr(get_user_model(), "groups", None)
    if not users or field is None:
        return {}
    found: dict[Any, list[Any]] = {}
    rows = field.through._default_manager.using(using).filter(user__in=users)
    for user, group in rows.values_list("user", "group"):
        found.setdefault(user, []).append(group)
    return found


def _share(targets: Sequence[SharedTarget], using: str) -> None:
    """Write the groups that `_known_groups()` noted."""
    pairs = [(one, group) for one in targets if one.pk is not None for group in one.__dict__[KNOWN_GROUPS]]
    if pairs:
        through: Any = type(targets[0]).groups.through
        rows = [through(target_id=one.pk, group_id=group) for one, group in pairs]
        through._default_manager.using(using).bulk_create(rows, batch_size=5_000, ignore_conflicts=True)


def _forget(targets: Iterable[SharedTarget]) -> None:
    for target in targets:
        target.__dict__.pop(KNOWN_GROUPS, None)
