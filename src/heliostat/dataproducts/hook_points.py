from __future__ import annotations

from heliostat import Event
from heliostat.dataproducts.models import DataProduct
from heliostat.hooks import hook_point

CREATED = "dataproducts.dataproduct.created"
UPDATED = "dataproducts.dataproduct.updated"


def _has_new_file(event: Event) -> bool:
    """Return whether a product has got a file, and the file is there."""
    name = event.snapshot.get("data")
    if not name or not (event.type == CREATED or "data" in event.changes):
        return False
    return bool(DataProduct._meta.get_field("data").storage.exists(name))


@hook_point(
    events=(CREATED, UPDATED),
    arguments=lambda event: (event.instance,),
    condition=lambda event: not event.snapshot.get("product_id") and _has_new_file(event),
    default="heliostat.dataproducts.hooks.data_product_post_upload",
)
def data_product_post_upload(dataproduct: DataProduct) -> None:
    """Runs after a data product is successfully uploaded."""


@hook_point(
    events=(CREATED, UPDATED),
    arguments=lambda event: (event.instance,),
    condition=lambda event: bool(event.snapshot.get("product_id")) and _has_new_file(event),
    default="heliostat.dataproducts.hooks.data_product_post_save",
)
def data_product_post_save(dataproduct: DataProduct) -> None:
    """Runs after a data product, which has the facility's id, is saved from a facility."""


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
