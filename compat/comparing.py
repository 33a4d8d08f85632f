"""Compare the runs of a suite: which outcomes differ, and why."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from compat.runs import GOOD, Run

EXPLAINED = Path(__file__).with_name("explained.toml")
COUNTS = "counts or prints queries, and saw Heliostat's own: it passes where these are hidden"
NOT_RUN = "not run"


@dataclass
class Difference:
    """One test with another outcome than without Heliostat. Without a reason it is a fault."""

    test: str
    without: str
    with_it: str
    reason: str = ""
    text: str = ""


@dataclass
class Comparison:
    """A suite's runs beside each other."""

    without: Run
    with_it: Run
    differences: list[Difference] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def unexplained(self) -> list[Difference]:
        return [one for one in self.differences if not one.reason]

    @property
    def counting(self) -> list[Difference]:
        return [one for one in self.differences if one.reason == COUNTS]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs that is not explained, and the runs were worth comparing."""
        return not self.unexplained and not self.problems


def compare(without: Run, with_it: Run, reasons: Mapping[str, str]) -> Comparison:
    """Compare a run without Heliostat and one with it.

    `reasons` explains differences, by the id of the test or a pattern of ids.
    """
    comparison = Comparison(without, with_it)
    for test in sorted(without.outcomes.keys() | with_it.outcomes.keys()):
        before, after = without.outcomes.get(test, NOT_RUN), with_it.outcomes.get(test, NOT_RUN)
        if _kind(before) != _kind(after):
            reason = next((why for pattern, why in reasons.items() if fnmatchcase(test, pattern)), "")
            comparison.differences.append(Difference(test, before, after, reason, with_it.texts.get(test, "")))
    if not without.outcomes:
        comparison.problems.append(f"no test ran without Heliostat; see {without.log}")
    elif not with_it.published["durable"]:
        comparison.problems.append(f"Heliostat published no event; see {with_it.log}")
    return comparison


def explain_counts(comparison: Comparison, hidden: Run) -> None:
    """Give a reason to failures that speak of queries, and are none where Heliostat's own statements are hidden."""
    for one in comparison.unexplained:
        speaks_of_queries = one.test in comparison.with_it.of_queries and _kind(one.with_it) == "bad"
        if speaks_of_queries and _kind(hidden.outcomes.get(one.test, NOT_RUN)) == _kind(one.without):
            one.reason = COUNTS


def _kind(outcome: str) -> str:
    """A test that passes and an expected failure are as they should be; one that is skipped was not run."""
    return outcome if outcome in {"skipped", NOT_RUN} else ("good" if outcome in GOOD else "bad")


def reasons_for(suite: str) -> dict[str, str]:
    """Return what `explained.toml` says of a suite: reasons by the id of the test, or by a pattern of ids."""
    with EXPLAINED.open("rb") as file:
        entries: list[dict[str, Any]] = tomllib.load(file)["explained"]
    mine = [entry for entry in entries if fnmatchcase(suite, entry["suite"])]
    return {test: " ".join(entry["reason"].split()) for entry in mine for test in entry["tests"]}
