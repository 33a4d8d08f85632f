"""Headers of a hook: lines `Key: value`, or a JSON object. Users who look at a hook see its secrets masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec

from heliostat.queues.named import is_queue
from heliostat.redaction import is_secret_name
from heliostat.webhooks.exceptions import InvalidHeadersError

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
VALUE = re.compile(r"[\t\x20-\x7e]*")  # RFC 9110, 5.5: of anything else a receiver could not know what it means
OURS = frozenset({"host", "content-type", "transfer-encoding", "connection", "expect", "upgrade", "te"})
LONGEST = 16 * 1024  # few servers take so many
COUNTED = "content-length"  # accepted and left out: Heliostat sends the real length
MASK = "********"


def parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that a text means; raise `InvalidHeadersError` that names what is wrong."""
    text = text.strip()
    if len(text) > LONGEST:
        raise InvalidHeadersError(f"The headers are longer than {LONGEST} characters.")
    if text.startswith("{"):
        try:
            found = msgspec.json.decode(text, type=dict[str, str | int | float])
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise InvalidHeadersError(f"The headers are no JSON object of texts: {error}.") from error
        pairs = [(name.strip(), str(value).strip()) for name, value in found.items()]
    else:
        pairs = _from_lines(text)
    for name, value in pairs:
        if not NAME.fullmatch(name):
            raise InvalidHeadersError(f"“{name}” is no name of a header.")
        if not VALUE.fullmatch(value):
            raise InvalidHeadersError(f"The value of the header “{name}” holds characters that cannot be sent.")
        if name.lower() in OURS or name.lower().startswith("webhook-"):
            raise InvalidHeadersError(f"The header “{name}” is set by Heliostat itself; leave it out.")
    return tuple((name, value) for name, value in pairs if name.lower() != COUNTED)


def check_headers(text: str) -> None:
    """Raise `InvalidHeadersError` where `parse_headers` does."""
    parse_headers(text)


def _from_lines(text: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon:
            raise InvalidHeadersError(
                f"Line {number} of the headers has no colon: write “Key: value”, not “{line.strip()}”."
            )
        pairs.append((name.strip(), value.strip()))
    return pairs


def masked(text: str) -> dict[str, str]:
    """Return the headers of a hook by name, with a mask in place of each value whose name stands for a secret."""
    return {name: MASK if is_secret_name(name) else value for name, value in _by_name(text).items()}


def masked_url(url: str) -> str:
    """Return the scheme and host of an address, with a mask in place of anything else: it may hold a key."""
    if is_queue(url):
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/{MASK if url.partition('://')[2] != host else ''}"


def unmasked(headers: Mapping[str, str], stored: str) -> dict[str, str]:
    """Return headers with the stored values in place of masks; raise `InvalidHeadersError` where none is stored."""
    kept = {name.lower(): value for name, value in _by_name(stored).items()}
    for name, value in headers.items():
        if value == MASK and name.lower() not in kept:
            raise InvalidHeadersError(f"The value of “{name}” is only its mask; write the value itself.")
    return {name: kept[name.lower()] if value == MASK else value for name, value in headers.items()}


def check_move(old_url: str, new_url: str, old_headers: str, new_headers: str) -> None:
    """Raise `InvalidHeadersError` if a stored secret that was not written again would go to another site.

    Users who may change a hook, but never saw its secrets, must not be able to send these to themselves.
    """
    old, new = urlsplit(old_url), urlsplit(new_url)
    if (old.scheme.lower(), old.netloc.lower()) == (new.scheme.lower(), new.netloc.lower()):
        return
    before = {name.lower(): value for name, value in _by_name(old_headers).items()}
    for name, value in _by_name(new_headers).items():
        if is_secret_name(name) and before.get(name.lower()) == value:
            raise InvalidHeadersError(f"This is another site's address: write the value of “{name}” again.")


def _by_name(text: str) -> dict[str, str]:
    """Lines of one name are one header (RFC 9110, 5.3). Headers that cannot be sent are none."""
    found: dict[str, str] = {}
    with suppress(InvalidHeadersError):
        for name, value in parse_headers(text):
            found[name] = f"{found[name]}, {value}" if name in found else value
    return found
