"""Apps that read what a data product holds. Such an app names a `product_reader` in its AppConfig."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from django.utils.module_loading import import_string

from heliostat.console.extensions import offered
from heliostat.dataproducts.models import DataProduct


class ProductReader(Protocol):
    """What such a path leads to: an object that knows kinds of data, and stores them."""

    def recognize(self, filename: str, content: bytes) -> str:
        """Return the data product type of a file; empty where this reader does not know."""

    def read(self, product: DataProduct, content: bytes) -> str:
        """Store what a product holds, and return what was done as a sentence. Raise `InvalidData`: it is refused."""


def readers() -> Iterator[ProductReader]:
    for path in offered("product_reader"):
        yield import_string(path)


def recognize(filename: str, content: bytes) -> str:
    """Return the type that a reader finds in a file, or an empty text."""
    return next((found for reader in readers() if (found := reader.recognize(filename, content))), "")


def read_product(product: DataProduct) -> list[str]:
    """Store what a product holds, in the caller's transaction, and return what was done, as sentences.

    Raise `InvalidData` where a reader refuses it; the caller must then undo what others have stored.
    """
    with product.data.open("rb") as file:
        content = file.read()
    return [done for reader in readers() if (done := reader.read(product, content))]
