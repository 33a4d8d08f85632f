"""Rights of single users and groups to observation records."""

from __future__ import annotations

from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase


class ObservationRecordUserRight(UserObjectPermissionBase):
    """A right of one user to one observation record."""

    heliostat_silent = True

    content_object = models.ForeignKey("heliostat_observations.ObservationRecord", models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False
        verbose_name = "right of a user"
        verbose_name_plural = "rights of users"


class ObservationRecordGroupRight(GroupObjectPermissionBase):
    """A right of the members of one group to one observation record."""

    heliostat_silent = True

    content_object = models.ForeignKey("heliostat_observations.ObservationRecord", models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False
        verbose_name = "right of a group"
        verbose_name_plural = "rights of groups"
