"""The databases that are reachable, each with a database of the benchmark's own in it, gone at the end."""

from __future__ import annotations

import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

Database = dict[str, Any]  # as in Django's DATABASES


@contextmanager
def reachable(wanted: list[str]) -> Iterator[dict[str, Database]]:
    """Those of the wanted that are there, by name; says on stderr which are not."""
    found: dict[str, Database] = {}
    with ExitStack() as stack:
        for name in wanted:
            try:
                found[name] = stack.enter_context(KINDS[name]())
            except Exception as error:
                print(f"{name} is left out: {str(error).strip()}", file=sys.stderr)
        yield found


@contextmanager
def _sqlite() -> Iterator[Database]:
    with tempfile.TemporaryDirectory() as folder:
        yield {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"{folder}/bench.sqlite3",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }


@contextmanager
def _postgresql() -> Iterator[Database]:
    import psycopg

    host, user = os.environ.get("PGHOST", "127.0.0.1"), os.environ.get("PGUSER", "postgres")
    password, name = os.environ.get("PGPASSWORD", ""), _name()
    where = {"host": host, "user": user, "password": password, "dbname": "postgres"}
    with psycopg.connect(**where, autocommit=True, connect_timeout=3) as server:
        server.execute(f"CREATE DATABASE {name}")
        try:
            yield {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": host,
                "USER": user,
                "PASSWORD": password,
                "NAME": name,
                "OPTIONS": {"server_side_binding": True, "prepare_threshold": 5},  # as docs/operating.md advises
            }
        finally:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def _mariadb() -> Iterator[Database]:
    import MySQLdb

    host, user = os.environ.get("MYSQL_HOST", "127.0.0.1"), os.environ.get("MYSQL_USER", "root")
    password, name = os.environ.get("MYSQL_PASSWORD", ""), _name()
    with MySQLdb.connect(host=host, user=user, password=password, connect_timeout=3) as server:
        server.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        try:
            yield {
                "ENGINE": "django.db.backends.mysql",
                "HOST": host,
                "USER": user,
                "PASSWORD": password,
                "NAME": name,
                "OPTIONS": {"charset": "utf8mb4", "isolation_level": "read committed"},
            }
        finally:
            server.cursor().execute(f"DROP DATABASE {name}")


def _name() -> str:
    return f"heliostat_bench_{uuid.uuid4().hex[:8]}"


KINDS = {"SQLite": _sqlite, "PostgreSQL": _postgresql, "MariaDB": _mariadb}
