"""Where HTTP callbacks go."""

from __future__ import annotations

from dataclasses import dataclass, field

from heliostat.delivery.signing import SigningKey


@dataclass(frozen=True, slots=True)
class Destination:
    """What a request needs beside its body. `keys` sign it; several while a secret is being rotated.

    Raises `ValueError` where a header would break out of its line.
    """

    url: str = field(repr=False)  # it and the headers may hold secrets, and tracebacks show what they come by
    method: str = "POST"
    header_lines: tuple[str, ...] = field(default=(), repr=False)
    content_type: str = "application/json"
    keys: tuple[SigningKey, ...] = ()

    def __post_init__(self) -> None:
        if any("\r" in line or "\n" in line for line in (*self.header_lines, self.content_type)):
            raise ValueError("a header holds a line break")


@dataclass(frozen=True, slots=True)
class NoDestination:
    """Nobody is there any more (deleted, disabled); `reason` goes into the callback's details."""

    reason: str
