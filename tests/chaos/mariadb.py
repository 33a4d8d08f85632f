"""The MariaDB that the tests share: databases may be made there, and connections to these be killed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

from tests.settings import MARIADB


def execute(statement: str, *parameters: object) -> Sequence[Any]:
    """The rows that a statement gave."""
    import MySQLdb

    host, user, password = (str(MARIADB[key]) for key in ("HOST", "USER", "PASSWORD"))
    with closing(MySQLdb.connect(host=host, user=user, password=password, autocommit=True)) as connection:
        cursor = connection.cursor()
        cursor.execute(statement, parameters or None)
        return list(cursor.fetchall())


def kill_a_connection(database: str) -> None:
    """End one of the connections to this database, at random."""
    import MySQLdb

    found = execute("SELECT id FROM information_schema.processlist WHERE db = %s ORDER BY rand() LIMIT 1", database)
    for (identifier,) in found:
        with suppress(MySQLdb.OperationalError):  # it has gone by itself meanwhile
            execute("KILL %s", identifier)
