"""The benchmark's table."""

import subprocess
import sys
from pathlib import Path

from benchmarks.figures import Figures, at_least, at_most

ROOT = Path(__file__).parents[2]


def test_figures_are_medians_with_their_spread():
    figures = Figures()
    for value in (1400.0, 1000.0, 1100.0):
        figures.add("save", value)
    assert figures.text("save", "µs") == "1,100 µs (1,000 to 1,400)"


def test_what_was_measured_side_by_side_is_compared():
    figures = Figures()
    for slow, quick in ((100, 50), (1000, 500), (300, 100)):  # the machine was ten times slower in the second round
        figures.add("slow", slow)
        figures.add("quick", quick)
    assert figures.ratio("slow", to="quick") == 2


def test_a_goal_is_met_or_says_by_how_much_it_was_missed():
    assert at_most("p50", 1.5, 2, "ms").endswith("p50 ≤ 2 ms: 1.5, met")
    assert at_most("p50", 3.0, 2, "ms").endswith("missed by 50%")
    assert at_least("a second", 9000, 12000, "").endswith("9,000, missed by 25%")


def test_a_measurement_alone_prints_its_table():
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "g", "--on", "SQLite"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=100)
    assert "a second and core" in done.stdout
    assert "round 1 of 1: (g)" in done.stderr
