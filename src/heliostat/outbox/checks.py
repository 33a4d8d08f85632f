"""System checks: databases that the outbox can work with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.core.checks import CheckMessage, Error, Warning
from django.db import connections

from heliostat.outbox.database_checks import vendor_of

OLDEST_MARIADB = (10, 6)
IMMEDIATE = (
    "Give it OPTIONS = {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
    "'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;'}."
)


def check_sqlite(**_: object) -> list[CheckMessage]:
    """Unless it is IMMEDIATE, a transaction that reads before it writes fails at once while a worker writes."""
    return [
        Warning(
            f"The SQLite database {alias!r} does not begin transactions as IMMEDIATE.",
            hint=IMMEDIATE,
            id="heliostat.W030",
        )
        for alias, options in connections.settings.items()
        if vendor_of(alias) == "sqlite"
        and str(options.get("OPTIONS", {}).get("transaction_mode", "")).upper() not in ("IMMEDIATE", "EXCLUSIVE")
    ]


def check_mariadb_isolation(**_: object) -> list[CheckMessage]:
    """Where reads are repeatable, MariaDB locks the gaps between rows too: writers and workers would meet there."""
    return [
        Warning(
            f"The MariaDB database {alias!r} has the isolation level {level!r}.",
            hint="Leave 'isolation_level' out of its OPTIONS: Django's own, 'read committed', is the right one.",
            id="heliostat.W031",
        )
        for alias, options in connections.settings.items()
        if vendor_of(alias) == "mysql"
        and (level := options.get("OPTIONS", {}).get("isolation_level", "read committed")) != "read committed"
    ]


def check_mariadb(databases: Sequence[str] | None = None, **_: object) -> list[CheckMessage]:
    """Asks the server, so it runs where Django's checks of databases run: `migrate`, and `check --database`."""
    mariadb = [alias for alias in databases or () if connections[alias].vendor == "mysql"]
    return [problem for alias in mariadb for problem in _problems_of_mariadb(alias)]


def _problems_of_mariadb(alias: str) -> Iterator[CheckMessage]:
    connection = connections[alias]
    if not connection.mysql_is_mariadb or connection.mysql_version < OLDEST_MARIADB:  # type: ignore[attr-defined]
        yield Error(
            f"The database {alias!r} is {connection.display_name} {connection.mysql_server_info}.",  # type: ignore[attr-defined]
            hint="Workers pass over each other's rows with SKIP LOCKED, as MariaDB does from 10.6 on.",
            id="heliostat.E030",
        )
    for table, engine, collation in _tables(alias):
        if engine != "InnoDB":
            yield Error(
                f"The table {table} of the database {alias!r} is of the engine {engine}, which knows no transactions.",
                hint=f"ALTER TABLE {table} ENGINE=InnoDB, and default_storage_engine=InnoDB for tables to come.",
                id="heliostat.E031",
            )
        if not collation.startswith("utf8mb4"):
            yield Error(
                f"The table {table} of the database {alias!r} cannot hold every character ({collation}).",
                hint=f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4, and make databases with it.",
                id="heliostat.E032",
            )


def _tables(alias: str) -> list[tuple[str, str, str]]:
    """Name, engine and collation of the outbox's tables; before they are made, those that they would have."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT table_name, engine, table_collation FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name LIKE 'heliostat_outbox_%%' ORDER BY table_name"
        )
        if found := cursor.fetchall():
            return list(found)
        cursor.execute("SELECT 'heliostat_outbox', @@default_storage_engine, @@collation_database")
        return list(cursor.fetchall())
