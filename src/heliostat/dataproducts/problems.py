"""What is wrong with data, said for each line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from heliostat.exceptions import HeliostatError

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line of a file or, where `line` counts rows of a request, with a row; both from 1."""

    line: int | None
    message: str
    place: str = "Line"

    def __str__(self) -> str:
        return self.message if self.line is None else f"{self.place} {self.line}: {self.message}"


class InvalidData(HeliostatError, ValueError):
    """Data cannot be read or stored. Nothing was stored; `problems` says why, line by line."""

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        self.problems = [Problem(None, problems)] if isinstance(problems, str) else list(problems)
        super().__init__(" ".join(self.messages))

    @property
    def messages(self) -> list[str]:
        """Return the first problems as sentences, and how many more there are."""
        shown = [str(problem) for problem in self.problems[:SHOWN]]
        if len(self.problems) > SHOWN:
            shown.append(f"And {len(self.problems) - SHOWN} more.")
        return shown
