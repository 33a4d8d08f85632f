"""Run a suite in one of three modes, and read what was recorded."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from compat.environments import BUILD, ROOT, packages_of, python_for, sources_of
from compat.suites import Suite

SRC = ROOT / "src"
INSIDE = ROOT / "compat" / "inside"
LONGEST_RUN = 40 * 60  # seconds; then a run is stopped, and what it did not reach is a difference
GOOD = frozenset({"passed", "skipped", "expected failure"})


class Mode(StrEnum):
    """How a suite is run."""

    WITHOUT = "without"
    WITH = "with"
    HOST_QUERIES = "host-queries"
    """With Heliostat, whose own statements are hidden from what counts queries."""


FLAGS = {Mode.WITHOUT: (), Mode.WITH: ("--heliostat",), Mode.HOST_QUERIES: ("--heliostat", "--host-queries")}


@dataclass
class Run:
    """What one run recorded: the outcome of each test by its id, and what Heliostat did meanwhile."""

    outcomes: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    of_queries: set[str] = field(default_factory=set)
    """Tests that failed with a text that speaks of queries."""
    published: Counter[str] = field(default_factory=Counter)
    logged: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    log: Path = Path()

    @property
    def failures(self) -> list[str]:
        """The ids of the tests that did not pass, in order."""
        return sorted(test for test, outcome in self.outcomes.items() if outcome not in GOOD)


def run(suite: Suite, mode: Mode, fresh: bool = False) -> Run:
    """Run a suite, or read its last run without Heliostat where nothing that it depends on has changed.

    Raises `NotReady` where its packages or sources cannot be had.
    """
    python = python_for(suite)
    folder = BUILD / "results" / suite.name
    folder.mkdir(parents=True, exist_ok=True)
    record, log, key = folder / f"{mode}.jsonl", folder / f"{mode}.log", folder / f"{mode}.key"
    wanted_key = _key(suite, python) if mode is Mode.WITHOUT else ""
    if not fresh and wanted_key and key.exists() and key.read_text(encoding="utf-8").startswith(wanted_key):
        return _read(record, log, float(key.read_text(encoding="utf-8").split()[1]))
    key.unlink(missing_ok=True)
    started = time.monotonic()
    _execute(suite, mode, python, record, log)
    seconds = time.monotonic() - started
    key.write_text(f"{wanted_key or '-'} {seconds:.1f}\n", encoding="utf-8")
    return _read(record, log, seconds)


def _execute(suite: Suite, mode: Mode, python: Path, record: Path, log: Path) -> None:
    paths = [*([str(SRC)] if mode is not Mode.WITHOUT else [])]
    environment = {**os.environ, **suite.env, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    for name in ("DJANGO_SETTINGS_MODULE", "PYTEST_ADDOPTS"):
        if name not in suite.env:
            environment.pop(name, None)
    hashers = ["--own-hashers"] if suite.own_hashers else []
    command = [str(python), str(INSIDE / "launch.py"), *FLAGS[mode], *hashers, str(record), "--", *suite.command]
    with log.open("w", encoding="utf-8") as output:
        try:
            subprocess.run(
                command,
                cwd=sources_of(suite, python, mode),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=LONGEST_RUN,
                check=False,
            )
        except subprocess.TimeoutExpired:
            output.write(f"\nStopped after {LONGEST_RUN} seconds.\n")


def _read(record: Path, log: Path, seconds: float) -> Run:
    result = Run(seconds=seconds, log=log)
    if not record.exists():
        return result
    for line in record.read_text(encoding="utf-8").splitlines():
        facts = json.loads(line)
        if "test" in facts:
            _add(result, facts)
        elif "published" in facts:
            result.published.update(facts["published"])
        else:
            result.logged[f"{facts['logged']} {facts['error'] or ''}".strip()] += 1
    return result


def _add(result: Run, facts: dict[str, Any]) -> None:
    """A test that reports several outcomes (its parts, its teardown) did not pass where one of them did not."""
    test = facts["test"]
    if result.outcomes.get(test, "passed") in GOOD:
        result.outcomes[test] = facts["outcome"]
        result.texts[test] = facts["text"]
        if facts.get("queries"):
            result.of_queries.add(test)


def _key(suite: Suite, python: Path) -> str:
    """What a run without Heliostat depends on, as a short text."""
    files = sorted([] if suite.sdist else (ROOT / "compat" / "probes").rglob("*.py"))
    what = (suite.command, dict(suite.env), suite.folder, suite.own_hashers)
    parts = [repr(what), packages_of(python), *(file.read_text(encoding="utf-8") for file in files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
