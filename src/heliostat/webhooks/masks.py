"""Headers that hold secrets, shown without them; and put back together when what was shown comes back."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

from heliostat.redaction import is_secret_name
from heliostat.webhooks.exceptions import InvalidHeadersError
from heliostat.webhooks.headers import parse_headers

MASK = "********"


def masked(text: str) -> dict[str, str]:
    """The headers of a hook by name, with a mask in place of each value that looks secret."""
    return {name: MASK if is_secret_name(name) else value for name, value in _by_name(text).items()}


def masked_url(url: str) -> str:
    """Return the scheme and host of an address, with a mask in place of anything else: it may hold a key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/{MASK if url.partition('://')[2] != host else ''}"


def unmasked(headers: Mapping[str, str], stored: str) -> dict[str, str]:
    """Headers with the stored values in place of masks; raises `InvalidHeadersError` where none is stored."""
    kept = {name.lower(): value for name, value in _by_name(stored).items()}
    for name, value in headers.items():
        if value == MASK and name.lower() not in kept:
            raise InvalidHeadersError(f"The value of “{name}” is only its mask; write the value itself.")
    return {name: kept[name.lower()] if value == MASK else value for name, value in headers.items()}


def check_move(old_url: str, new_url: str, old_headers: str, new_headers: str) -> None:
    """Raise `InvalidHeadersError` if a stored secret that was not written again would go to another site.

    Users who may change a hook, but never saw its secrets, must not be able to send these to themselves.
    """
    if _site(old_url) == _site(new_url):
        return
    before = {name.lower(): value for name, value in _by_name(old_headers).items()}
    for name, value in _by_name(new_headers).items():
        if is_secret_name(name) and before.get(name.lower()) == value:
            raise InvalidHeadersError(f"This is another site's address: write the value of “{name}” again.")


def _by_name(text: str) -> dict[str, str]:
    """Lines of one name are one header (RFC 9110, 5.3). What could not be sent, and was not saved by us, is none."""
    found: dict[str, str] = {}
    with suppress(InvalidHeadersError):
        for name, value in parse_headers(text):
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def _site(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
