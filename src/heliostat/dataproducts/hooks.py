"""What runs at this app's hook points where `HOOKS` names nothing else; and the retrieval of what was observed."""

from __future__ import annotations

import logging

from heliostat import Event, on
from heliostat.dataproducts.models import DataProduct
from heliostat.dataproducts.storing import retrieve
from heliostat.objects import find_object
from heliostat.observations.facility import UnknownFacility
from heliostat.observations.models import ObservationRecord, ObservationStatus

logger = logging.getLogger(__name__)


def data_product_post_upload(dataproduct: DataProduct) -> None:
    logger.info("Data product %s was uploaded", dataproduct)


def data_product_post_save(dataproduct: DataProduct) -> None:
    logger.info("Data product %s was saved from a facility", dataproduct)


def multiple_data_products_post_save(dataproducts: list[DataProduct]) -> None:
    logger.info("Data products %s were saved from a facility", ", ".join(map(str, dataproducts)))


def _is_completion(event: Event) -> bool:
    return bool(event.changes.get("status", ("", ""))[1] == ObservationStatus.COMPLETED)


@on("observations.observationrecord.updated", when="durable", condition=_is_completion)
def retrieve_products(event: Event) -> None:
    """Save the products of an observation that has completed. Raising means: again, later."""
    observation = find_object(ObservationRecord.objects.select_related("target"), event.object_id)
    if observation is None:  # deleted meanwhile
        return
    try:
        retrieve(observation)
    except UnknownFacility as error:
        logger.info("No data products of %s were retrieved. %s", observation, error)
