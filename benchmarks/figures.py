"""Values of all rounds, as medians with their spread, and how they compare with a goal."""

from __future__ import annotations

import statistics
from collections import defaultdict


class Figures:
    """Values by name, one for each round."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = defaultdict(list)

    def add(self, name: str, value: float) -> None:
        self._values[name].append(value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def median(self, name: str) -> float:
        return statistics.median(self._values[name])

    def text(self, name: str, unit: str, digits: int = 0) -> str:
        """`117 µs (110 to 131)`"""
        values = self._values[name]
        low, high = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
        spread = f" ({low} to {high})" if low != high else ""
        return f"{self.median(name):,.{digits}f} {unit}".rstrip() + spread

    def ratio(self, name: str, to: str) -> float:
        """The median of the ratios of each round: what was measured side by side is compared."""
        pairs = zip(self._values[name], self._values[to], strict=True)
        return statistics.median(one / other for one, other in pairs)


def percentile(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def at_most(what: str, value: float, limit: float, unit: str, digits: int = 1) -> str:
    return _goal(what, value, "≤", limit, unit, digits, value <= limit)


def at_least(what: str, value: float, limit: float, unit: str, digits: int = 0) -> str:
    return _goal(what, value, "≥", limit, unit, digits, value >= limit)


def _goal(what: str, value: float, sign: str, limit: float, unit: str, digits: int, is_met: bool) -> str:
    verdict = "met" if is_met else f"missed by {abs(value / limit - 1):.0%}"
    return f"  goal: {what} {sign} {limit:,g} {unit}".rstrip() + f": {value:,.{digits}f}, {verdict}"
