"""The headers of an answer as they are kept with an attempt: bounded, and without what may be a secret."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from heliostat.redaction import is_secret_name

MASK = "(not kept)"


def kept(lines: Sequence[bytes], limit: int) -> str:
    """`Name: value` lines of the last answer heard (1xx ones come before it), at most so many characters."""
    return _kept(b"".join(lines), limit)


@lru_cache(maxsize=256)  # receivers say the same within a second
def _kept(head: bytes, limit: int) -> str:
    last = head.rpartition(b"\nHTTP/")[2]
    lines = last.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")[1:]
    return "\n".join(map(_masked, _unfolded(lines)))[:limit]


def _unfolded(lines: Sequence[str]) -> list[str]:
    """Whole fields: what begins with a blank continues the line before it (RFC 9112, 5.2)."""
    fields: list[str] = []
    for line in filter(None, lines):
        if line[0] in " \t" and fields:
            fields[-1] += " " + line.strip()
        else:
            fields.append(line)
    return fields


def _masked(field: str) -> str:
    name, colon, _ = field.partition(":")
    return f"{name}: {MASK}" if colon and is_secret_name(name) else field
