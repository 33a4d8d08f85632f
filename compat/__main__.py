"""`make compat`: does any test of another project notice that Heliostat is installed?

Runs the test suites of Django and of well-known packages twice, without Heliostat and with it, where subscribers of
all three phases want every event. The outcomes must be equal, apart from tests that count or print queries: these are
recognised by a third run, in which Heliostat's own statements are hidden from them, and listed by name.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from compat.comparing import Comparison, compare, explain_counts, reasons_for
from compat.environments import BUILD, NotReady, reachable
from compat.report import print_details, print_table, write_lists
from compat.runs import Mode, run
from compat.suites import QUICK, SUITES, Suite

_printing = threading.Lock()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites that the command line names. Return 1 where an outcome differs without a reason."""
    options = _parser().parse_args(arguments)
    if options.list:
        for suite in SUITES:
            print(f"{suite.name:20} {suite.about}")
        return 0
    chosen = (
        [QUICK]
        if options.quick
        else [suite for suite in SUITES if not options.suites or _is_chosen(suite.name, options.suites)]
    )
    with ThreadPoolExecutor(options.jobs) as pool:
        compared = dict(zip(chosen, pool.map(partial(_compare, fresh=options.fresh), chosen), strict=True))
    print_details(compared)
    print_table(compared)
    print(f"\nLists of failures, differences and logs: {BUILD / 'results'}")
    return 0 if all(isinstance(one, Comparison) and one.is_equal for one in compared.values()) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m compat", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help="suites to run, or the beginnings of their names")
    parser.add_argument("--list", action="store_true", help="list the suites, and exit")
    parser.add_argument("--quick", action="store_true", help="run the probes alone, with this interpreter")
    parser.add_argument("--jobs", type=int, default=2, help="suites to run at the same time (default: 2)")
    parser.add_argument("--fresh", action="store_true", help="run again without Heliostat, too, what ran before")
    return parser


def _is_chosen(name: str, wanted: Sequence[str]) -> bool:
    return any(name.startswith(one) for one in wanted)


def _compare(suite: Suite, fresh: bool) -> Comparison | NotReady:
    try:
        if suite.needs_postgresql and not reachable(5432):
            raise NotReady("no PostgreSQL listens at 127.0.0.1:5432")
        without = run(suite, Mode.WITHOUT, fresh)
        _say(suite, f"without Heliostat: {len(without.outcomes)} tests, {len(without.failures)} failed")
        with_it = run(suite, Mode.WITH)
        comparison = compare(without, with_it, reasons_for(suite.name))
        _say(suite, f"with it: {len(with_it.outcomes)} tests, {len(with_it.failures)} failed, {with_it.seconds:.0f} s")
        if comparison.unexplained:
            _say(suite, f"{len(comparison.unexplained)} differ; once more with Heliostat's own queries hidden …")
            explain_counts(comparison, run(suite, Mode.HOST_QUERIES))
    except NotReady as error:
        _say(suite, str(error))
        return error
    write_lists(suite, comparison)
    _say(suite, "equal" if comparison.is_equal else f"{len(comparison.unexplained)} DIFFERENCES")
    return comparison


def _say(suite: Suite, text: str) -> None:
    with _printing:
        print(f"{suite.name:20} {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
