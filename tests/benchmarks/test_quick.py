"""`make bench ARGS=--quick` measures: hooks that it creates are valid, and events arrive."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def test_latencies_are_measured() -> None:
    printed = measured("c,d")
    assert "from commit to receiver" in printed
    assert "beside the slow one" in printed


def test_listeners_and_queues_are_measured() -> None:
    printed = measured("l,q")
    assert "100 that match" in printed
    assert "a message made of an event" in printed


def measured(letters: str) -> str:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", letters, "--on", "SQLite"]
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
