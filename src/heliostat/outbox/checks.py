"""System checks: each database that holds observable models has an outbox, and is one that the outbox can work with.

They ask the routers and the settings; `check_mariadb` alone asks a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error, Warning
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, models, router

from heliostat.events.databases import home, written_in
from heliostat.events.types import is_observable, resource_of
from heliostat.outbox.models import Event

DATABASE = ("ENGINE", "NAME", "HOST", "PORT")  # what two aliases of one database share
NAMED = 5  # models in a message
OLDEST_MARIADB = (10, 6)
IMMEDIATE = (
    "Give it OPTIONS = {'transaction_mode': 'IMMEDIATE', 'timeout': 20, "
    "'init_command': 'PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;'}."
)
KEEP = (
    "Let allow_migrate() of the routers accept the app 'heliostat_outbox' in the database {alias!r} and run "
    "`manage.py migrate --database={alias}`"
)


def may_have_outbox(using: str) -> bool:
    """Return whether the routers allow the outbox's tables in this database, or in an alias of the same one."""
    database = {alias: [options.get(key) for key in DATABASE] for alias, options in connections.settings.items()}
    same = (alias for alias in connections if alias == using or database[alias] == database[using])
    return any(router.allow_migrate_model(alias, Event) for alias in same)


def models_without_outbox() -> dict[str, list[type[models.Model]]]:
    """Return the observable models that are written to a database without an outbox, by its alias."""
    if all(map(may_have_outbox, connections)):  # as nearly everywhere
        return {}
    found: dict[str, list[type[models.Model]]] = {}
    for model in apps.get_models():
        if not model._meta.proxy and is_observable(model):
            found.setdefault(written_in(model), []).append(model)
    return {alias: of_alias for alias, of_alias in found.items() if not may_have_outbox(alias)}


def router_errors(model: type[models.Model]) -> list[CheckMessage]:
    """Report a router that raises when it is asked where to write this model of Heliostat."""
    try:
        router.db_for_write(model)
    except Exception as error:
        text = f"A router raises when it is asked where to write {model._meta.label_lower}: {error!r}."
        hint = "Let db_for_write() of the routers return an alias for this model, or None where another one decides."
        return [Error(text, hint=hint, id="heliostat.E036")]
    return []


def check_outboxes(**_: object) -> list[CheckMessage]:
    """Report databases without an outbox whose models can be observed, and a home that must not have its tables."""
    if errors := router_errors(Event):
        return errors
    if not may_have_outbox(home()):
        text = f"The routers send the outbox to the database {home()!r}, and do not allow its tables there."
        return [Error(text, hint=KEEP.format(alias=home()) + ".", id="heliostat.E034")]
    return [
        Warning(
            f"{len(found)} models ({_named(found)}) are written to the database {alias!r}, which has no outbox: "
            "webhooks and other durable subscribers are not notified of their changes.",
            hint=KEEP.format(alias=alias) + ", or name these models in HELIOSTAT_SILENT.",
            id="heliostat.W033",
        )
        for alias, found in models_without_outbox().items()
    ]


def _named(found: Sequence[type[models.Model]]) -> str:
    names = [model._meta.label_lower for model in found]
    return ", ".join(names[:NAMED] + ["…"] * (len(names) > NAMED))


def unkept(patterns: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Return those of these event types that name a model without an outbox, each with the alias of its database."""
    resources = {resource_of(model): alias for alias, found in models_without_outbox().items() for model in found}
    named = ((pattern, resources.get(pattern.rpartition(".")[0])) for pattern in patterns)
    return [(pattern, alias) for pattern, alias in named if alias is not None]


def check_durable(subscribers: Iterable[tuple[str, Sequence[str]]]) -> list[CheckMessage]:
    """Report subscribers, with their event types, that name a model without an outbox."""
    return [
        Error(
            f"{subscriber} subscribes durably to {pattern!r}, but the database {alias!r} has no outbox: "
            "it would never be notified.",
            hint=KEEP.format(alias=alias) + ", or subscribe in the phase after_commit.",
            id="heliostat.E035",
        )
        for subscriber, patterns in subscribers
        for pattern, alias in unkept(patterns)
    ]


def check_driver(**_: object) -> list[CheckMessage]:
    """Report PostgreSQL through psycopg2: COPY and LISTEN of the worker are those of psycopg 3."""
    if not any(vendor_of(alias) == "postgresql" for alias in connections):
        return []
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    if is_psycopg3:
        return []
    text = "Django talks to PostgreSQL through psycopg2, with which workers cannot record their attempts."
    return [Error(text, hint="Install psycopg 3: pip install 'psycopg[binary]>=3.1.12'.", id="heliostat.E033")]


def vendor_of(alias: str) -> str:
    """Return the kind of a database, without connecting to it; empty where it cannot be had."""
    try:
        return str(connections[alias].vendor)
    except ImproperlyConfigured:  # of a database that nobody uses, perhaps; Django says so where somebody does
        return ""


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
    problems: list[CheckMessage] = []
    for alias in databases or ():
        connection: Any = connections[alias]
        if connection.vendor != "mysql":
            continue
        if not connection.mysql_is_mariadb or connection.mysql_version < OLDEST_MARIADB:
            text = f"The database {alias!r} is {connection.display_name} {connection.mysql_server_info}."
            hint = "Workers pass over each other's rows with SKIP LOCKED, as MariaDB does from 10.6 on."
            problems.append(Error(text, hint=hint, id="heliostat.E030"))
        for table, engine, collation in _tables(connection):
            if engine != "InnoDB":
                text = f"The table {table} of the database {alias!r} is of the engine {engine}, without transactions."
                hint = f"ALTER TABLE {table} ENGINE=InnoDB, and default_storage_engine=InnoDB for tables to come."
                problems.append(Error(text, hint=hint, id="heliostat.E031"))
            if not collation.startswith("utf8mb4"):
                text = f"The table {table} of the database {alias!r} cannot hold every character ({collation})."
                hint = f"ALTER TABLE {table} CONVERT TO CHARACTER SET utf8mb4, and make databases with it."
                problems.append(Error(text, hint=hint, id="heliostat.E032"))
    return problems


def _tables(connection: Any) -> list[tuple[str, str, str]]:
    """Name, engine and collation of the outbox's tables; before they are made, those that they would have."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, engine, table_collation FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_name LIKE 'heliostat_outbox_%%' ORDER BY table_name"
        )
        if found := cursor.fetchall():
            return list(found)
        cursor.execute("SELECT 'heliostat_outbox', @@default_storage_engine, @@collation_database")
        return list(cursor.fetchall())
