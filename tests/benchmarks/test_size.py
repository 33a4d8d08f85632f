"""`make size` measures what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_size_of_the_code_and_the_way_of_an_event_are_measured() -> None:
    command = [sys.executable, "-m", "benchmarks.size", "--names"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    (passed,) = re.findall(r"(\d+) functions that one event passes", printed)
    way = printed.partition("One event:")[2].split("\n  ")[1:]
    assert len(way) == int(passed)
    for step in (
        "events/capture.py: ",
        "outbox/write.py: ",
        "delivery/worker.py: Worker._record",
        "delivery/http.py: ",
    ):
        assert any(line.startswith(step) for line in way), step
