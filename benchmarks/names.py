"""(i) Names of targets: to find one among 300,000 names exactly, by a part of it, and by its beginning."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.bench import HELIOSTAT, Bench
from benchmarks.figures import at_most

TITLE = "(i) names: 100,000 targets with 200,000 aliases"
TARGETS = 100_000
OF_MARIADB = 100
LIMITS = {"exact": 1, "part": 12, "beginning": 12}
ROWS = (  # key, what it is
    ("exact", "find the target of a name or alias"),
    ("part", "the first 25 targets with a part of 3 letters or more"),
    ("beginning", "the first 25 targets that begin with 2 letters"),
    ("common", "the first 25 targets with a part that 100,000 names have"),
)


def measure(bench: Bench) -> None:
    apps = [*HELIOSTAT, "heliostat.console", "heliostat.targets"]
    for name in bench.databases:
        for key, value in bench.child("benchmarks.names:found", bench.amount(TARGETS), on=name, apps=apps).items():
            bench.figures.add(f"{name} names {key}", value)


def table(bench: Bench) -> Iterator[str]:
    for name in bench.databases:
        yield f" {name}" + (" (a quarter of the names)" if bench.quick else "")
        yield f"  {'insert 1,000 targets with 2,000 aliases':<60} {bench.figures.text(f'{name} names insert', 'ms')}"
        for key, what in ROWS:
            yield f"  {what:<60} {bench.figures.text(f'{name} names {key}', 'ms', 2)}"
            if key in LIMITS:
                limit = OF_MARIADB if name == "MariaDB" and key == "part" else LIMITS[key]
                yield at_most(what, bench.figures.median(f"{name} names {key}"), limit, "ms", 2)


def found(count: int) -> dict[str, float]:
    """Wall time in ms, the median of 50 look-ups each; of the insertion, for 1,000 targets."""
    from django.core.management import call_command
    from django.db import connection

    from heliostat.targets.models import Target
    from heliostat.targets.search import by_words, find_named

    dice = random.Random(1572)
    call_command("migrate", verbosity=0, run_syncdb=True)
    Target.objects.all().delete()
    insert = _insert(count, dice)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE TABLE heliostat_targets_foldedname" if connection.vendor == "mysql" else "ANALYZE")
    chosen = [dice.randrange(count) for _ in range(50)]
    parts = [_letters(number)[2:] for number in chosen]
    return {
        "insert": insert,
        "exact": _median_ms(lambda number: find_named([f"sn{number}"]), chosen),
        "part": _median_ms(lambda part: list(by_words(Target.objects.all(), f"{part}xq")[:25]), parts),
        "beginning": _median_ms(lambda part: list(by_words(Target.objects.all(), part[:2])[:25]), parts),
        "common": _median_ms(lambda _: list(by_words(Target.objects.all(), "survey")[:25]), chosen[:10]),
    }


def _letters(number: int) -> str:
    """Seven letters that look drawn, each number others."""
    text, rest = "", number * 2_654_435_761 % 26**7
    for _ in range(7):
        rest, letter = divmod(rest, 26)
        text += chr(97 + letter)
    return text


def _insert(count: int, dice: random.Random) -> float:
    from heliostat.targets.models import Target, TargetName

    began = time.perf_counter()
    for start in range(0, count, 5_000):
        numbers = range(start, min(start + 5_000, count))
        targets = Target.objects.bulk_create(
            Target(name=f"SN {number}", ra=dice.uniform(0, 360), dec=dice.uniform(-90, 90)) for number in numbers
        )
        pairs = list(zip(targets, numbers, strict=True))
        TargetName.objects.bulk_create(
            [TargetName(target=target, name=f"{_letters(number)}xq") for target, number in pairs]
            + [TargetName(target=target, name=f"Survey J{number:07d}") for target, number in pairs]
        )
    return (time.perf_counter() - began) * 1000 * 1000 / count


def _median_ms(work: Callable[[Any], Any], arguments: list[Any]) -> float:
    work(arguments[0])
    took = []
    for argument in arguments:
        began = time.perf_counter()
        work(argument)
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)[len(took) // 2]
