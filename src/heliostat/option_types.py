"""Values of options of commands: `type=` of `argparse`, with errors that say what is allowed."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable

LAST_PORT = 65_535
LARGEST = 2**63 - 1


def whole_number(minimum: int, maximum: int = LARGEST) -> Callable[[str], int]:
    """The type of an option: a whole number from `minimum` to `maximum`, or to the largest that databases hold."""
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
    """The type of an option: a name or an address that can be asked for."""
    try:
        text.encode("idna")
    except UnicodeError as error:
        raise ArgumentTypeError(f"{text!r} is no host: {error}") from error
    return text


def amount(text: str) -> float:
    """The type of an option: a number that is not negative."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not math.isfinite(number) or number < 0:
        raise ArgumentTypeError(f"{text!r} is no number from 0 on")
    return number


def positive(text: str) -> float:
    """The type of an option: a number above 0."""
    number = amount(text)
    if not number:
        raise ArgumentTypeError(f"{text!r} is no number above 0")
    return number
