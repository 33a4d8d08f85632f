"""Virtual environments of the benchmark's own, in `build/`, with others that it measures beside Heliostat."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from functools import cache

from benchmarks.bench import ROOT


@cache
def python_with(name: str, wanted: Sequence[str]) -> str:
    """Return the Python of `build/NAME`, made when it is first wanted; empty where packages cannot be installed."""
    python = ROOT / "build" / name / "bin" / "python"
    stamp = python.parents[1] / "ready"
    try:
        if not (stamp.exists() and stamp.read_text() == repr(wanted)):
            subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
            subprocess.run([python, "-m", "pip", "install", "-qq", *wanted], check=True)
            stamp.write_text(repr(wanted))
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"left out, because it cannot be installed: {', '.join(wanted)} ({error})", file=sys.stderr)
        return ""
    return str(python)
