"""`make bench`: save with 0, 1 and 10 hooks; deliveries a second and core; latency; on SQLite and PostgreSQL.

Each round is a process of its own; databases and measurements take turns within a round, so that a machine that
changes its speed changes all figures alike. Printed are medians and, in brackets, the smallest and the largest.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
SAVES = ("bare", "0", "1", "10")
Figures = dict[str, list[float]]


def main() -> int:
    options = _options()
    figures: dict[str, Figures] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory() as folder:
        databases = {"SQLite": {"BENCH_DATABASE": "sqlite", "BENCH_NAME": f"{folder}/bench.sqlite3"}}
        with _postgresql() as postgresql:
            if postgresql:
                databases["PostgreSQL"] = postgresql
            for number in range(options.rounds):
                for name, environment in databases.items():
                    print(f"round {number + 1} of {options.rounds}: {name} ...", file=sys.stderr, flush=True)
                    _round(figures[name], environment, options.deliveries)
    for name, found in figures.items():
        _print_table(name, found)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (default 3)")
    parser.add_argument("--deliveries", type=int, default=10_000, help="callbacks sent in a round (default 10000)")
    return parser.parse_args()


@contextmanager
def _postgresql() -> Iterator[dict[str, str] | None]:
    """A database of the benchmark's own, or nothing where there is no server."""
    where = {
        "host": os.environ.get("PGHOST", "127.0.0.1"),
        "user": os.environ.get("PGUSER", "postgres"),
        "password": os.environ.get("PGPASSWORD", ""),
        "dbname": "postgres",
    }
    name = f"heliostat_bench_{uuid.uuid4().hex[:8]}"
    try:
        server = psycopg.connect(**where, autocommit=True, connect_timeout=3)
    except psycopg.OperationalError as error:
        print(f"no PostgreSQL, so SQLite alone: {error}", file=sys.stderr)
        yield None
        return
    with server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield {"BENCH_DATABASE": "postgresql", "BENCH_NAME": name}
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _round(figures: Figures, environment: dict[str, str], deliveries: int) -> None:
    for hooks in SAVES:
        found = _measure(environment, "save", hooks)
        for key in ("cpu_us", "wall_us", "statements"):
            figures[f"save {hooks} {key}"].append(found[key])
    figures["wrapper"].append(_measure(environment, "wrapper")["cpu_us"])
    with _receiver() as url:
        found = _measure(environment, "deliver", str(deliveries), url)
        for key in ("cpu_us", "per_core_second", "per_second", "body"):
            figures[f"deliver {key}"].append(found[key])
    with _receiver() as url:
        committed = _measure(environment, "latency", "200", url)["committed"]
        with urllib.request.urlopen(url + "times") as answer:
            arrived = [float(line) for line in answer.read().split()]
    waits = sorted((came - went) * 1000 for went, came in zip(committed, sorted(arrived), strict=True))
    figures["latency p50"].append(statistics.median(waits))
    figures["latency p99"].append(waits[int(len(waits) * 0.99)])


def _measure(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.rounds", *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, cwd=ROOT, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@contextmanager
def _receiver() -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.receiver", "0"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/"
    finally:
        process.terminate()
        process.wait()


def _print_table(name: str, figures: Figures) -> None:
    bare = statistics.median(figures["save bare cpu_us"])
    print(f"\n{name}")
    for hooks in SAVES:
        cpu = figures[f"save {hooks} cpu_us"]
        label = "Django alone" if hooks == "bare" else f"{hooks} hooks ask"
        statements = int(figures[f"save {hooks} statements"][0])
        ratio = statistics.median(cpu) / bare
        print(f"  save, {label:<14} CPU {_spread(cpu, 'µs'):<30} {ratio:5.2f} x bare, {statements} statements")
    print(f"  capture adds to a save that nobody asked about: {_spread(figures['wrapper'], 'µs', 2)}")
    print(
        f"  deliver, one receiver   CPU {_spread(figures['deliver cpu_us'], 'µs'):<30} signed, {_body(figures)} bytes"
    )
    print(f"  deliveries a second of one core's CPU time: {_spread(figures['deliver per_core_second'], '')}")
    print(f"  deliveries a second by the clock, one worker: {_spread(figures['deliver per_second'], '')}")
    print(f"  commit to receiver, idle: p50 {_spread(figures['latency p50'], 'ms', 2)}")
    print(f"                            p99 {_spread(figures['latency p99'], 'ms', 2)}")


def _body(figures: Figures) -> int:
    return int(figures["deliver body"][0])


def _spread(values: list[float], unit: str, digits: int = 0) -> str:
    return f"{statistics.median(values):,.{digits}f} {unit} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
