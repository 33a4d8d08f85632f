"""Content types of hooks: what kind of text a receiver expects."""

from __future__ import annotations

import re
from enum import Enum

from heliostat.webhooks.exceptions import InvalidHeadersError

WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110, 5.6.2
CONTENT_TYPE = re.compile(rf"{WORD}/{WORD}[\t\x20-\x7e]*")


class Kind(Enum):
    """How values are escaped in a body, and what it must be well-formed as."""

    JSON = "JSON"
    XML = "XML"
    TEXT = "text"


def kind_of(content_type: str) -> Kind:
    """What `application/json; charset=utf-8`, `application/geo+json` or `text/xml` mean."""
    essence = content_type.partition(";")[0].strip().lower()
    if essence.endswith(("/json", "+json")):
        return Kind.JSON
    return Kind.XML if essence.endswith(("/xml", "+xml")) else Kind.TEXT


def check_content_type(content_type: str) -> None:
    """Raises `InvalidHeadersError` where this cannot be sent as a content type."""
    if not CONTENT_TYPE.fullmatch(content_type):
        raise InvalidHeadersError(f"“{content_type}” is no content type; write for example application/json.")
