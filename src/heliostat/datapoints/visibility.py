"""Which data points a user may view."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

from heliostat.dataproducts.models import DataProduct
from heliostat.targets.models import Target


class DataPointQuerySet(models.QuerySet[Any]):
    """Data points, with the rule of who may view them."""

    def visible_to(self, user: Any) -> DataPointQuerySet:
        """Return the points of targets that the user may view, without those of files that they may not."""
        of_product = Q(product=None) | DataProduct.visible(user, "product__")
        return self.filter(Target.visible(user, "target__") & of_product)
