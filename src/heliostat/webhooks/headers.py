"""Headers of a hook: lines `Key: value`, or a JSON object."""

from __future__ import annotations

import re

import msgspec

from heliostat.webhooks.exceptions import InvalidHeadersError

NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
VALUE = re.compile(r"[\t\x20-\x7e]*")  # RFC 9110, 5.5: of anything else a receiver could not know what it means
OURS = frozenset({"host", "content-type", "transfer-encoding", "connection", "expect", "upgrade", "te"})
LONGEST = 16 * 1024  # few servers take so many
COUNTED = "content-length"  # may be written, though every body has another; what is sent is the real length


def parse_headers(text: str) -> tuple[tuple[str, str], ...]:
    """The headers that a text means; raises `InvalidHeadersError` that names what is wrong."""
    text = text.strip()
    if len(text) > LONGEST:
        raise InvalidHeadersError(f"The headers are longer than {LONGEST} characters.")
    pairs = _from_json(text) if text.startswith("{") else _from_lines(text)
    for name, value in pairs:
        _check(name, value)
    return tuple((name, value) for name, value in pairs if name.lower() != COUNTED)


def check_headers(text: str) -> None:
    """Raises `InvalidHeadersError` where `parse_headers` does."""
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


def _from_json(text: str) -> list[tuple[str, str]]:
    try:
        headers = msgspec.json.decode(text, type=dict[str, str | int | float])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InvalidHeadersError(f"The headers are no JSON object of texts: {error}.") from error
    return [(name.strip(), str(value).strip()) for name, value in headers.items()]


def _check(name: str, value: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidHeadersError(f"“{name}” is no name of a header.")
    if not VALUE.fullmatch(value):
        raise InvalidHeadersError(f"The value of the header “{name}” holds characters that cannot be sent.")
    if name.lower() in OURS or name.lower().startswith("webhook-"):
        raise InvalidHeadersError(f"The header “{name}” is set by Heliostat itself; leave it out.")
