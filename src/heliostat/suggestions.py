"""Suggestions for a name that is mistyped: "Did you mean …?"."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

ALIKE = 0.85  # of two names; a setting of another package is less like one of ours


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """' Did you mean …?' with the closest candidates, or nothing."""
    return suggestion(closest(word, candidates))


def closest(word: str, candidates: Iterable[str]) -> list[str]:
    """Return the one or two candidates that look most like this word; none where none does."""
    return difflib.get_close_matches(word, list(candidates), n=2, cutoff=0.6)


def suggestion(close: Sequence[str]) -> str:
    """Return ' Did you mean …?' with these words; an empty text where there are none."""
    return f" Did you mean {' or '.join(close)}?" if close else ""
