"""What a file is, by its content. Its name and what a browser calls it prove nothing."""

from __future__ import annotations

import zlib
from importlib import import_module
from io import BytesIO

from django.core.files.base import File

from heliostat.dataproducts.problems import InvalidData

HEAD = 8192  # bytes that are looked at
FITS_BLOCK = 2880  # bytes (FITS standard 4.0, section 3.1)
MARKUP = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script")
_SIGNATURES = (
    (b"SIMPLE  =", "FITS"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"GIF8", "GIF"),
    (b"%PDF-", "PDF"),
    (b"\x1f\x8b", "gzip"),
    (b"PK\x03\x04", "ZIP"),
)
_OF_EXTENSION = {
    "fits": ("FITS", "gzip"),
    "fit": ("FITS", "gzip"),
    "fz": ("FITS",),
    "gz": ("gzip",),
    "png": ("PNG",),
    "jpg": ("JPEG",),
    "jpeg": ("JPEG",),
    "gif": ("GIF",),
    "pdf": ("PDF",),
}
_OF_TYPE = {"fits_file": ("FITS", "gzip"), "image_file": ("PNG", "JPEG", "GIF")}
IMAGES = _OF_TYPE["image_file"]


def content_of(head: bytes) -> str:
    """Return what a file that begins so is: "FITS", "PNG", …, "HTML", "text", or "unknown"."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head.lstrip().lower().startswith(MARKUP):
        return "HTML"
    return "unknown" if b"\x00" in head else "text"


def check_content(file: File[bytes], filename: str, data_product_type: str = "") -> str:
    """Return what a file is. Raise `InvalidData` where that is not what its extension or type says, or is damaged."""
    head = _head(file)
    if not head:
        raise InvalidData(f"{filename} is empty.")
    found = content_of(head)
    if found == "HTML":
        raise InvalidData(f"{filename} is a page of a web site (HTML), not data. Was it an error page?")
    extension = filename.rpartition(".")[2].lower()
    for accepted in (_OF_EXTENSION.get(extension, ("text", "unknown")), _OF_TYPE.get(data_product_type)):
        if accepted and found not in accepted and not (accepted[0] == "text" and data_product_type in _OF_TYPE):
            shown = "text" if accepted[0] == "text" else " or ".join(accepted)
            raise InvalidData(f"{filename} is no {shown} file: its content is {_described(found, head)}.")
    _check_whole(file, filename, found, head)
    return found


def type_of(found: str) -> str:
    """Return the data product type that follows from the content; empty where it does not."""
    return {"FITS": "fits_file", **dict.fromkeys(IMAGES, "image_file")}.get(found, "")


def _check_whole(file: File[bytes], filename: str, found: str, head: bytes) -> None:
    """Raise `InvalidData` where a file only begins as its format does."""
    if found == "gzip":
        _check_gzip(head, filename)
    elif found == "FITS" and not _is_fits(head, file.size or 0):
        raise InvalidData(f"{filename} is no FITS file: it begins like one, and then has no FITS header.")
    elif found in IMAGES:
        _check_image(file, filename, found)


def _is_fits(head: bytes, size: int) -> bool:
    """Return whether the first card is `SIMPLE = T`, the second one is BITPIX, and a block is there (section 4.4.1)."""
    return size >= FITS_BLOCK and head[:30].split(b"=")[1].strip() == b"T" and head[80:88] == b"BITPIX  "


def _check_gzip(head: bytes, filename: str) -> None:
    try:
        unpacked = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(head, FITS_BLOCK)
    except zlib.error:
        raise InvalidData(f"{filename} is no gzip file: it cannot be unpacked.") from None
    inner = filename.lower().removesuffix(".gz").rpartition(".")[2]
    if inner in ("fits", "fit") and content_of(unpacked) != "FITS":
        raise InvalidData(f"{filename} is no FITS file: what it holds, unpacked, is {content_of(unpacked)}.")


def _check_image(file: File[bytes], filename: str, found: str) -> None:
    """Raise `InvalidData` for an image that cannot be opened; without pillow only the signature is known."""
    try:
        pillow = import_module("PIL.Image")
    except ImportError:
        return
    file.seek(0)
    try:
        with pillow.open(BytesIO(file.read()), formats=[found]) as image:
            image.verify()
    except Exception as error:  # whatever pillow says of a damaged image
        raise InvalidData(f"{filename} is no {found} image: {error or type(error).__name__}.") from None
    finally:
        file.seek(0)


def _head(file: File[bytes]) -> bytes:
    file.seek(0)
    head = bytes(file.read(HEAD))
    file.seek(0)
    return head


def _described(found: str, head: bytes) -> str:
    return f"not known (it begins with {head[:16]!a})" if found == "unknown" else found
