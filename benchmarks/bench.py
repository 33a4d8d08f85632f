"""One run of the benchmark: its databases, its figures, and the processes that measure.

Each measurement is a module with `TITLE`, `measure(bench)` for one round, and `table(bench)` for the lines to print.
What is measured runs in processes of their own, so that they do not warm each other: `bench.child()` calls a function
of a module by name there, with Django set up, and returns what it returns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.databases import Database
from benchmarks.figures import Figures

ROOT = Path(__file__).resolve().parents[1]
HELIOSTAT = ("heliostat.outbox", "heliostat.delivery", "heliostat.hooks", "heliostat.webhooks")


@dataclass
class Bench:
    databases: dict[str, Database]
    quick: bool
    figures: Figures = field(default_factory=Figures)

    def amount(self, usual: int) -> int:
        """How many of something: a quarter when it must be quick."""
        return usual // 4 if self.quick else usual

    def start(
        self,
        function: str,
        *arguments: Any,
        on: str,
        apps: Sequence[str] = HELIOSTAT,
        python: str = sys.executable,
        **environment: str,
    ) -> subprocess.Popen[str]:
        """Begin a child, for `outcome()` to wait for. `function` is `benchmarks.module:name`."""
        around = {
            **os.environ,
            **environment,
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "BENCH_DATABASE": json.dumps(self.databases[on]),
            "BENCH_APPS": json.dumps(apps),
        }
        command = [python, "-m", "benchmarks.child", function, json.dumps(arguments)]
        return subprocess.Popen(command, env=around, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def child(self, function: str, *arguments: Any, on: str, **more: Any) -> Any:
        return outcome(self.start(function, *arguments, on=on, **more))


def outcome(child: subprocess.Popen[str]) -> Any:
    """Close the input of a child process, and return its result."""
    output, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"this failed: {child.args}")
    return json.loads(output.splitlines()[-1])


@dataclass
class Receiver:
    ports: list[int]

    def urls(self, path: str = "") -> list[str]:
        return [f"http://127.0.0.1:{port}/{path}" for port in self.ports]

    def ask(self, path: str) -> Any:
        with urllib.request.urlopen(self.urls(path)[0]) as answer:
            return json.load(answer)


@contextmanager
def receiver(ports: int = 1, delay: float = 0.0) -> Iterator[Receiver]:
    """A receiver in a process of its own; `delay` in seconds."""
    command = [sys.executable, "-m", "benchmarks.receiver", str(ports), str(delay)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Receiver(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait()
