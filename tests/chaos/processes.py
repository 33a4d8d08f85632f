"""Processes that are killed, and the database that outlives them."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from tests.chaos import mariadb
from tests.settings import POSTGRESQL

MIGRATE = "from django.core.management import call_command; call_command('migrate', run_syncdb=True, verbosity=0)\n"
CHECKPOINT = "from django.db import connection; connection.cursor().execute('PRAGMA wal_checkpoint(TRUNCATE)')\n"
ROOT = Path(__file__).resolve().parents[2]


class World:
    """A project with a database of its own, whose code runs in other processes."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "CHAOS_DATABASE": database,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),  # the code beside these tests
            "PYTHONUNBUFFERED": "1",  # what a process says is seen when it says it
        }

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [sys.executable, *arguments]
        options = {"stdout": subprocess.PIPE, **options}
        return subprocess.Popen(command, env=self.environment, cwd=ROOT, text=True, **options)

    def worker(self, *options: str) -> subprocess.Popen[str]:
        return self.start("-m", "django", "worker", *options)

    def run(self, code: str) -> Any:
        """What `answer(...)` was given by code that runs with Django set up."""
        program = f"import django, json; django.setup()\nanswer = lambda value: print(json.dumps(value))\n{code}"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=self.environment,
            cwd=ROOT,
            text=True,
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None


def kill(process: subprocess.Popen[str]) -> str:
    """kill -9, and what it had printed by then (whole lines)."""
    process.send_signal(signal.SIGKILL)
    printed, _ = process.communicate()
    return printed[: printed.rfind("\n") + 1]


@contextmanager
def world(kind: str, folder: Path) -> Iterator[World]:
    """A world on a fresh SQLite file, or a fresh database of a server, migrated."""
    if kind == "default":
        yield World(shutil.copy(_migrated_file(), folder / "world.sqlite3"))
        return
    name = f"heliostat_{uuid.uuid4().hex[:12]}"
    template = f" TEMPLATE {_migrated_database()}" if kind == "postgresql" else ""
    _administer(kind, f"CREATE DATABASE {name}{template}")
    try:
        made = World(name)
        made.environment["CHAOS_VENDOR"] = kind
        if not template:
            migrate(made)
        yield made
    finally:
        _drop(kind, name)


@cache
def _migrated_file() -> str:
    """Return a migrated SQLite file, for copies of it: to migrate takes seconds."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    made = World(f"{folder}/template.sqlite3")
    migrate(made)
    made.run(CHECKPOINT)
    return made.database


@cache
def _migrated_database() -> str:
    """Return the name of a migrated database of PostgreSQL, a template for others."""
    name = f"heliostat_{uuid.uuid4().hex[:12]}"
    _administer("postgresql", f"CREATE DATABASE {name}")
    atexit.register(_drop, "postgresql", name)
    made = World(name)
    made.environment["CHAOS_VENDOR"] = "postgresql"
    migrate(made)
    return name


def _drop(kind: str, name: str) -> None:
    _administer(kind, f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else ""))


def _administer(kind: str, statement: str) -> None:
    if kind == "mariadb":
        mariadb.execute(statement)
        return
    host, user, password = (str(POSTGRESQL[key]) for key in ("HOST", "USER", "PASSWORD"))
    with psycopg.connect(host=host, user=user, password=password, dbname="postgres", autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[arg-type]


def migrate(made: World) -> None:
    made.run(MIGRATE)
