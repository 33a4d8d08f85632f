"""`make bench`: what Heliostat costs and carries, beside the goals, and beside others who do the same work.

Everything is measured in turn, and that several times, so that a machine that changes its speed changes all figures
alike. Printed are medians and, in brackets, the smallest and the largest. CPU is the time of the process that is
measured; a database server's own is not in it. Databases and services that are not there are left out.
"""

from __future__ import annotations

import argparse
import sys
import time
from types import ModuleType

from benchmarks import (
    backlog,
    consuming,
    databases,
    deliveries,
    growth,
    latency,
    listeners,
    names,
    others,
    queues,
    raw,
    saves,
    slow,
)
from benchmarks.bench import Bench

MEASUREMENTS: dict[str, ModuleType] = {
    "g": raw,
    "f": others,
    "a": saves,
    "b": deliveries,
    "c": latency,
    "d": slow,
    "e": backlog,
    "h": growth,
    "l": listeners,
    "q": queues,
    "k": consuming,
    "i": names,
}


def main() -> None:
    options = _options()
    chosen = {letter: module for letter, module in MEASUREMENTS.items() if letter in options.only}
    with databases.reachable(options.on) as found:
        bench = Bench(found, options.quick)
        for number in range(options.rounds):
            for letter, module in chosen.items():
                _say(f"round {number + 1} of {options.rounds}: ({letter}) ...")
                module.measure(bench)
    for _, module in sorted(chosen.items()):
        print(f"\n{module.TITLE}")
        for line in module.table(bench):
            print(line)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round of a quarter: under 2 minutes")
    parser.add_argument("--rounds", type=int, help="how often everything is measured (3; quick: 1)")
    parser.add_argument("--only", type=_listed, default=sorted(MEASUREMENTS), help="some measurements: a,c")
    parser.add_argument("--on", type=_listed, default=list(databases.KINDS), help="some databases: SQLite,PostgreSQL")
    options = parser.parse_args()
    for given, known in ((options.only, MEASUREMENTS), (options.on, databases.KINDS)):
        if unknown := set(given) - set(known):
            parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(sorted(known))}")
    options.rounds = options.rounds or (1 if options.quick else 3)
    return options


def _listed(text: str) -> list[str]:
    return text.split(",")


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
