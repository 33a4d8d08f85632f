"""(a) Saving an object with 0, 1, 10 and 100 hooks that match, beside the save where Heliostat is not installed."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.figures import at_most

TITLE = "(a) save with hooks that match: CPU and wall of the saving process, statements"
HOOKS = (0, 1, 10, 100)
SAVES, WARM = 2000, 50
TURNS = 5


def measure(bench: Bench) -> None:
    for name in bench.databases:
        found = bench.child("benchmarks.saves:bare", bench.amount(SAVES), on=name, apps=())
        found |= bench.child("benchmarks.saves:hooked", bench.amount(SAVES), on=name)
        for key, value in found.items():
            bench.figures.add(f"{name} {key}", value)


def table(bench: Bench) -> Iterator[str]:
    figures = bench.figures
    for name in bench.databases:
        yield f" {name}"
        for hooks in ("bare", *map(str, HOOKS)):
            key = f"{name} save {hooks}"
            label = "without Heliostat" if hooks == "bare" else f"{hooks} hooks"
            times = figures.ratio(f"{key} cpu", f"{name} save bare cpu")
            yield (
                f"  {label:<18} CPU {figures.text(f'{key} cpu', 'µs'):<26} wall {figures.text(f'{key} wall', 'µs'):<30}"
                f"{times:5.2f} x bare, {figures.median(f'{key} statements'):.0f} statements"
            )
        yield f"  capture alone, where nobody asked: {figures.text(f'{name} capture cpu', 'µs', 2)}"
        yield from _goals(bench, name)


def _goals(bench: Bench, name: str) -> Iterator[str]:
    figures, key = bench.figures, f"{name} save"
    more = figures.median(f"{key} 0 statements") - figures.median(f"{key} bare statements")
    yield at_most("0 hooks add", figures.median(f"{name} capture cpu"), 5, "µs", 2)
    yield at_most("0 hooks add", more, 0, "statements", 0)
    if name == "SQLite":
        yield at_most("1 hook", figures.ratio(f"{key} 1 cpu", f"{key} bare cpu"), 2, "x the bare save", 2)
    yield at_most("10 hooks", figures.ratio(f"{key} 10 cpu", f"{key} 1 cpu"), 1.5, "x 1 hook", 2)


def bare(saves: int) -> dict[str, float]:
    """In a process where Heliostat is not installed."""
    from benchmarks.work import clean

    clean()
    return _save("save bare", saves)


def hooked(saves: int) -> dict[str, float]:
    from benchmarks.work import ask, clean
    from heliostat.events.matching import registry
    from heliostat.webhooks.models import Hook

    clean()
    registry.catch_up()  # the hooks of the round before are gone
    found = _capture_alone()
    for hooks in HOOKS:
        Hook.objects.all().delete()
        ask(["http://127.0.0.1:9/"] * hooks)
        found |= _save(f"save {hooks}", saves if hooks < HOOKS[-1] else saves // 5)
    return found


def _save(key: str, saves: int) -> dict[str, float]:
    """The median of several turns, so that a disturbance of one does not count."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from benchmarks.figures import percentile
    from benchmarks.models import save_one
    from benchmarks.work import timed

    timed(save_one, WARM)
    with CaptureQueriesContext(connection) as queries:
        save_one(0)
    turns = [timed(save_one, saves // TURNS) for _ in range(TURNS)]
    medians = {f"{key} {kind}": percentile([turn[kind] for turn in turns], 50) for kind in ("cpu", "wall")}
    return {**medians, f"{key} statements": len(queries)}


def _capture_alone() -> dict[str, float]:
    """What capture adds to a save that nobody asked about: the wrapper around nothing, less nothing."""
    from benchmarks.models import Vehicle
    from benchmarks.work import timed
    from heliostat.events import capture

    def nothing(self: object, *arguments: object) -> None: ...

    bus, wrapped, times = Vehicle(), capture._capturing(nothing), 100_000
    with_wrapper = timed(lambda _: wrapped(bus), times)["cpu"]
    return {"capture cpu": with_wrapper - timed(lambda _: nothing(bus), times)["cpu"]}
