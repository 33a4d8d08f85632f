"""Values of options of commands: `type=` of `argparse`, with errors that say what is allowed."""

from __future__ import annotations

import math
import os
from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

LAST_PORT = 65_535
LARGEST = 2**63 - 1


def whole_number(minimum: int, maximum: int = LARGEST) -> Callable[[str], int]:
    """Return a parser of whole numbers from `minimum` to `maximum`, or to the largest that databases hold."""
    limits = f"from {minimum} on" if maximum == LARGEST else f"from {minimum} to {maximum}"

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number > LARGEST:
            raise ArgumentTypeError(f"{text!r} is too large")
        if not minimum <= number <= maximum:
            raise ArgumentTypeError(f"{text!r} is no whole number {limits}")
        return number

    return parse


port_number = whole_number(0, LAST_PORT)


def host_name(text: str) -> str:
    """Parse a name or an address that can be asked for."""
    try:
        text.encode("idna")
    except UnicodeError as error:
        raise ArgumentTypeError(f"{text!r} is no host: {error}") from error
    return text


def amount(text: str) -> float:
    """Parse a number that is not negative."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not math.isfinite(number) or number < 0:
        raise ArgumentTypeError(f"{text!r} is no number from 0 on")
    return number


def positive(text: str) -> float:
    """Parse a number above 0."""
    number = amount(text)
    if not number:
        raise ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def point_in_time(text: str) -> datetime:
    """Parse an ISO time, which is in the site's time zone if it names none."""
    from django.utils import timezone  # not at the top: `heliostat consume` needs no Django
    from django.utils.dateparse import parse_datetime

    try:
        found = parse_datetime(text)
        if found is None:
            raise ValueError
        found = found if timezone.is_aware(found) else timezone.make_aware(found)
        found.astimezone(UTC)  # in the years 1 and 9999 not every time is one there, too
    except (ValueError, OverflowError) as error:
        example = "2026-11-21T06:00 or 2026-11-21T06:00:00+01:00"
        raise ArgumentTypeError(f"{text!r} is no time such as {example}") from error
    return found


def writable_file(text: str) -> Path:
    """Parse the path of a file that can be written, whether it exists or not."""
    path = Path(text)
    if not os.access(path if path.exists() else path.parent, os.W_OK) or path.is_dir():
        raise ArgumentTypeError(f"the file {text} cannot be written")
    return path
