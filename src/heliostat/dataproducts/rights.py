"""Rights of single users and groups to data products."""

from __future__ import annotations

from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase


class DataProductUserRight(UserObjectPermissionBase):
    """A right of one user to one data product."""

    heliostat_silent = True

    content_object = models.ForeignKey("heliostat_dataproducts.DataProduct", models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False
        verbose_name = "right of a user"
        verbose_name_plural = "rights of users"


class DataProductGroupRight(GroupObjectPermissionBase):
    """A right of the members of one group to one data product."""

    heliostat_silent = True

    content_object = models.ForeignKey("heliostat_dataproducts.DataProduct", models.CASCADE)

    class Meta(GroupObjectPermissionBase.Meta):
        abstract = False
        verbose_name = "right of a group"
        verbose_name_plural = "rights of groups"
