"""Print what was compared, and write the lists of failures."""

from __future__ import annotations

from collections.abc import Mapping

from compat.comparing import Comparison, Difference
from compat.environments import BUILD, NotReady
from compat.suites import Suite

Compared = Mapping[Suite, Comparison | NotReady]
MOST_ERRORS = 5  # kinds of errors in Heliostat's log that are printed for a suite


def write_lists(suite: Suite, comparison: Comparison) -> None:
    """Write the failures of both runs, and what differs, beside the logs."""
    folder = BUILD / "results" / suite.name
    lists = {"without": comparison.without.failures, "with": comparison.with_it.failures}
    for name, failures in lists.items():
        (folder / f"{name}.txt").write_text("".join(f"{test}\n" for test in failures), encoding="utf-8")
    text = "\n".join(f"{_line(one)}\n{one.text}" for one in comparison.differences)
    (folder / "differences.txt").write_text(text, encoding="utf-8")


def print_details(compared: Compared) -> None:
    """Print each difference with its reason, and the problems."""
    for suite, comparison in compared.items():
        if isinstance(comparison, NotReady):
            print(f"\n{suite.name}: {comparison}")
            continue
        lines = [*comparison.problems, *map(_line, sorted(comparison.differences, key=lambda one: bool(one.reason)))]
        logged = comparison.with_it.logged
        lines += [f"logged {count} times: {text[:300]}" for text, count in logged.most_common(MOST_ERRORS)]
        if lines:
            print(f"\n{suite.name}")
            print("\n".join(f"  {line}" for line in lines))


def _line(one: Difference) -> str:
    what = f"{one.test}: {one.without} without, {one.with_it} with"
    return f"  {what} ({one.reason})" if one.reason else f"≠ {what}"


def print_table(compared: Compared) -> None:
    """Print a line for each suite."""
    print(f"\n{'suite':20} {'tests':>6} {'failed':>7} {'with':>6} {'counting':>9} {'reason':>7} {'≠':>4} {'events':>8}")
    for suite, comparison in compared.items():
        if isinstance(comparison, NotReady):
            print(f"{suite.name:20} could not run")
            continue
        without, with_it, counting = comparison.without, comparison.with_it, len(comparison.counting)
        explained = len(comparison.differences) - counting - len(comparison.unexplained)
        print(
            f"{suite.name:20} {len(without.outcomes):>6} {len(without.failures):>7} {len(with_it.failures):>6} "
            f"{counting:>9} {explained:>7} {len(comparison.unexplained):>4} {with_it.published['durable']:>8}"
        )
