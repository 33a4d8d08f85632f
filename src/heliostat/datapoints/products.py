"""Data products as files of data points."""

from __future__ import annotations

from collections.abc import Callable

from heliostat.datapoints.processors.base import ASTROMETRY, PHOTOMETRY, SPECTROSCOPY, DataFile
from heliostat.datapoints.reading import read_file
from heliostat.datapoints.storing import Stored, store_astrometry, store_photometry, store_spectra
from heliostat.dataproducts.models import DataProduct
from heliostat.dataproducts.problems import InvalidData

STORE: dict[str, Callable[..., Stored]] = {
    PHOTOMETRY: store_photometry,
    SPECTROSCOPY: store_spectra,
    ASTROMETRY: store_astrometry,
}
NOUNS = {PHOTOMETRY: "Points", SPECTROSCOPY: "Spectra", ASTROMETRY: "Positions"}


class Reader:
    """Reads products whose type is photometry, spectroscopy or astrometry."""

    def recognize(self, filename: str, content: bytes) -> str:
        """Return the first of these kinds that the file holds; empty where it holds none."""
        file = DataFile(filename, content)
        for kind in (PHOTOMETRY, SPECTROSCOPY, ASTROMETRY):
            try:
                read_file(file, kind)
            except InvalidData:
                continue
            return kind
        return ""

    def read(self, product: DataProduct, content: bytes) -> str:
        """Store the points of a product, and say how many."""
        store = STORE.get(product.data_product_type)
        if store is None:
            return ""
        reading = read_file(DataFile(product.filename, content), product.data_product_type)
        stored = store(product.target, reading.rows, source=product.source, product=product, lines=reading.lines)
        noun = NOUNS[product.data_product_type]
        counts = f"{noun}: {stored.created} created, {stored.updated} updated, {stored.unchanged} unchanged."
        return " ".join([counts, *reading.notes])


reader = Reader()
