from __future__ import annotations

from heliostat import Event
from heliostat.dataproducts.models import DataProduct
from heliostat.hooks import hook_point


@hook_point(
    events=("dataproducts.dataproduct.uploaded",),
    arguments=lambda event: (event.instance,),
    default="heliostat.dataproducts.hooks.data_product_post_upload",
)
def data_product_post_upload(dataproduct: DataProduct) -> None:
    """Runs after a data product is successfully uploaded."""


@hook_point(
    events=("dataproducts.dataproduct.retrieved",),
    arguments=lambda event: (event.instance,),
    default="heliostat.dataproducts.hooks.data_product_post_save",
)
def data_product_post_save(dataproduct: DataProduct) -> None:
    """Runs after a data product is saved from a facility."""


def _products(event: Event) -> tuple[list[DataProduct]]:
    products = DataProduct.objects.filter(pk__in=event.payload["data_products"])
    return (list(products.select_related("target", "observation_record").order_by("pk")),)


@hook_point(
    events=("observations.observationrecord.data_retrieved",),
    arguments=_products,
    default="heliostat.dataproducts.hooks.multiple_data_products_post_save",
)
def multiple_data_products_post_save(dataproducts: list[DataProduct]) -> None:
    """Runs once for all data products that were saved together from a facility."""
