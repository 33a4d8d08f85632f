"""The settings of this app. A project may leave them all out."""

from __future__ import annotations

from collections.abc import Sequence

from heliostat.conf import Setting, Settings, number, strings

TEXTS = ("csv", "tsv", "txt", "dat", "ascii", "asc", "ecsv", "json", "xml", "vot", "votable")
EXTENSIONS = (*TEXTS, "fits", "fit", "fz", "gz", "png", "jpg", "jpeg", "gif", "pdf")


class DataSettings(Settings):
    """Sizes are in bytes."""

    max_bytes = Setting(
        100 * 1024 * 1024, "Bytes of a file that is uploaded.", number(1, int), name="TOM_DATA_PRODUCT_MAX_BYTES"
    )
    extensions = Setting[Sequence[str]](
        EXTENSIONS, "Extensions of files that may be uploaded.", strings, name="TOM_DATA_PRODUCT_EXTENSIONS"
    )


data_settings = DataSettings()
