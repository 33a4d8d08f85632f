"""Whatever a broker sends, as JSON that every database takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, time
from typing import Any

LONGEST = 20_000  # characters of one text
DEEPEST = 20


def plain(value: Any, depth: int = 0) -> Any:
    """JSON without NaN, NUL characters, bytes, or texts that are too long to keep."""
    if depth < DEEPEST and isinstance(value, Mapping):
        return {_text(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if depth < DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth + 1) for item in value]
    return _leaf(value)


def _leaf(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes | bytearray | memoryview):
        return f"({len(value)} bytes)"
    return _text(value.isoformat() if isinstance(value, date | time) else str(value))


def _text(text: str) -> str:
    text = text.replace("\x00", "").encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"
