"""Objects with an owner, a visibility and groups; who manages a group."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.db.models import Q

FOLLOWS = ""
"""The visibility of what is as visible as the target, or the observation, that it belongs to."""


class Visibility(models.TextChoices):
    """Who may view an object. Rights of single users and groups come on top."""

    PRIVATE = "private", "Private"
    GROUP = "group", "Groups"
    PUBLIC = "public", "Public"


class Guarded(models.Model):
    """An object that has an owner, and that groups may view. Its own choice of visibility is a field of the model."""

    heliostat_object_permissions = True  # a webhook on the model is sent what its owner may view

    owner_field: ClassVar[str] = "owner"
    """The name of the foreign key to its owner."""

    visibility: models.CharField[Any, Any]
    groups = models.ManyToManyField(
        Group, blank=True, related_name="+", help_text="The groups that may view it, where its visibility is “Groups”."
    )

    class Meta:
        abstract = True

    @property
    def owner_key(self) -> Any:
        """The key of its owner, or None."""
        return getattr(self, f"{self.owner_field}_id")

    @property
    def governing(self) -> Guarded:
        """The object whose visibility and groups count for this one: itself, or the one that it follows."""
        return self

    @classmethod
    def visible(cls, user: Any, prefix: str = "") -> Q:
        """Return the condition that a user, who may be anonymous, may view an object.

        `prefix` is the path to it from the model that is queried: `target__`. Users with Django's permission for the
        whole model are not in it; `QuerySet.visible_to()` lets them view everything.
        """
        raise NotImplementedError

    def is_visible_to(self, user: Any) -> bool:
        """Return the same for this object, without a query where its own row says so."""
        raise NotImplementedError


class GroupManager(models.Model):
    """A user who manages a group: they add and remove members, and change and share what the group is shared."""

    group = models.ForeignKey(Group, models.CASCADE, related_name="managers")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="managed_groups")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="heliostat_group_manager")]

    def __str__(self) -> str:
        return f"{self.user} manages {self.group}"
