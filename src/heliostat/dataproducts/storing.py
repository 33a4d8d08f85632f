"""Saving products: file and row together, or neither."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

from django.core.files.base import ContentFile, File
from django.db import transaction

from heliostat import batch, emit
from heliostat.dataproducts.models import DataProduct, file_name
from heliostat.dataproducts.problems import InvalidData
from heliostat.dataproducts.readers import read_product, recognize
from heliostat.dataproducts.recognition import HEAD, IMAGES, check_content, content_of, type_of
from heliostat.exceptions import HeliostatError
from heliostat.observations.facility import FacilityFile, get_facility
from heliostat.observations.models import ObservationRecord
from heliostat.text import clean_name

LONGEST_SOURCE = 200
Pairs: TypeAlias = "list[tuple[DataProduct, File[bytes]]]"


class RetrievalError(HeliostatError):
    """A facility did not hand out all files of an observation; what it gave has been saved."""


def upload(product: DataProduct, file: File[bytes]) -> list[str]:
    """Save a file as a new product, with the data that it holds, and publish the event of its upload.

    `product` is not saved yet; where it has no type, the type is recognized by the content. Return what was read, as
    sentences. Raise `InvalidData` where the file is not what it seems or its data cannot be read: nothing is saved.
    """
    name = file_name(file.name or "data")
    found = check_content(file, name, product.data_product_type)
    product.data_product_type = product.data_product_type or _recognized(file, name, found)
    product.source = product.source or clean_name(name)[:LONGEST_SOURCE]
    pairs: Pairs = [(product, file)]
    with _files_of(pairs), batch():
        _save(pairs, "uploaded")
        return read_product(product)


def _recognized(file: File[bytes], name: str, found: str) -> str:
    if found in IMAGES:
        return type_of(found)
    content = file.read()
    file.seek(0)
    return recognize(name, content) or type_of(found) or DataProduct.Type.OTHER


def retrieve(observation: ObservationRecord) -> list[DataProduct]:
    """Save what the facility has of an observation and we have not. Asking again does no harm.

    Raises `UnknownFacility`, or `RetrievalError` if not everything came; then the rest comes next time.
    """
    files, problem = _fetch(observation)
    products = save_from_facility(observation, files)
    if problem is not None:
        message = f"{observation.facility} gave {len(files)} files, then failed: {problem or type(problem).__name__}"
        raise RetrievalError(message) from problem
    return products


def _fetch(observation: ObservationRecord) -> tuple[list[FacilityFile], Exception | None]:
    """Everything is in memory before anything is saved: a failed download leaves no empty product behind."""
    facility = get_facility(observation.facility)
    files: list[FacilityFile] = []
    try:
        for file in facility.data_products(observation):
            if not file.content:
                raise RetrievalError(f"{file.filename} is empty.")
            if content_of(file.content[:HEAD]) == "HTML":
                raise RetrievalError(f"{file.filename} is a page of a web site (HTML), not data.")
            files.append(file)
    except Exception as error:  # whatever a facility's code raises
        return files, error
    return files, None


def save_from_facility(observation: ObservationRecord, files: Sequence[FacilityFile]) -> list[DataProduct]:
    """Save files of an observation, those that are not here yet, all or none, and return their products.

    `retrieve` does it with what a facility hands out; a program does it with files that it got in another way. The hook
    points `data_product_post_save`, for each, and `multiple_data_products_post_save`, once, run after the commit.
    """
    pairs: Pairs = []
    with _files_of(pairs), batch():
        # Two that retrieve at the same time take turns.
        ObservationRecord.objects.select_for_update().only("pk").get(pk=observation.pk)
        there = set(observation.data_products.values_list("product_id", flat=True))
        pairs += [(_product(observation, file), _content(file)) for file in files if file.product_id not in there]
        _save(pairs, "retrieved")
        for product, _file in pairs:
            read_if_possible(product)
        ids = [product.pk for product, _file in pairs]
        if ids:
            emit("data_retrieved", observation, payload={"observation": observation.pk, "data_products": ids})
    return [product for product, _file in pairs]


def read_if_possible(product: DataProduct) -> None:
    """Store the data of a product. Where that fails, the file is there all the same, and says why."""
    try:
        with transaction.atomic(using=product._state.db):
            read_product(product)
    except InvalidData as error:
        product.problem = str(error)
        product.save(update_fields=["problem", "modified"])


def _product(observation: ObservationRecord, file: FacilityFile) -> DataProduct:
    return DataProduct(
        target=observation.target,
        observation_record=observation,
        owner=observation.user,
        product_id=file.product_id,
        source=clean_name(f"{observation.facility} {file.product_id}")[:LONGEST_SOURCE],
        data_product_type=file.data_product_type,
    )


def _content(file: FacilityFile) -> File[bytes]:
    return ContentFile(file.content, name=file.filename)


def _save(pairs: Pairs, action: str) -> None:
    for product, file in pairs:
        product.data.save(file.name or "data", file, save=False)
        product.save()
        emit(action, product)


@contextmanager
def _files_of(pairs: Pairs) -> Iterator[None]:
    """If the block fails, its rows are rolled back, and here their files are removed."""
    try:
        yield
    except BaseException:
        for product, file in pairs:
            if product.data.name not in (None, "", file.name):
                product.data.storage.delete(str(product.data.name))
        raise
