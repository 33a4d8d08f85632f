"""Which databases have an outbox.

An event belongs into the outbox of the database of its change, in the same transaction. The database that the routers
name for the outbox is its home: it always has the tables, and an INSERT that fails there fails the save, because the
event would be lost. Any other database (a legacy one, one that another program owns) may be without: durable
subscribers are not notified of what happens there.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from django.core.signals import setting_changed
from django.db import DatabaseError, connections
from django.db.models.signals import post_migrate, pre_migrate

from heliostat.events.databases import home
from heliostat.outbox.models import Callback, Event

logger = logging.getLogger("heliostat.outbox")

LOOK_AGAIN = 60.0  # seconds after which a database without the tables is looked at again
MIGRATING = ("django.db.migrations.executor", "django.core.management.commands.migrate", "django.core.management.sql")
NOT_YET = "the database %(using)r has no outbox tables yet: events of this migration are dropped until they are made"
NOT_THERE = (
    "the database %(using)r has no outbox tables: durable subscribers are not notified of its events; "
    "run `manage.py migrate --database=%(using)s heliostat_outbox`, or let a router keep these models elsewhere"
)

_with_outbox: set[str] = set()
_without_outbox: dict[str, float] = {}  # until when this counts (`time.monotonic()`)
_mentioned: set[str] = set()


def has_outbox(using: str) -> bool:
    """Return whether durable events of this database are kept: cheap, and without a query once it is known.

    False in a database without the outbox's tables, and in a `migrate` that has not made them yet. True in the home of
    the outbox at any other time: where its tables are missing, the INSERT says so.
    """
    if using in _with_outbox:
        return True
    if time.monotonic() < _without_outbox.get(using, 0.0):
        return False
    is_migrating, is_home = _is_migrating(), using == home()
    if (is_home and not is_migrating) or has_tables(using):
        _with_outbox.add(using)
        return True
    if not is_home:
        _without_outbox[using] = time.monotonic() + LOOK_AGAIN
    if using not in _mentioned:
        _mentioned.add(using)
        logger.warning(NOT_YET if is_migrating else NOT_THERE, {"using": using})
    return False


def has_tables(using: str) -> bool:
    """Return whether the outbox's tables are in this database, with every column. This asks the database."""
    connection = connections[using]
    look, wanted = connection.introspection, {model._meta.db_table: model._meta for model in (Event, Callback)}
    with connection.cursor() as cursor:
        if not wanted.keys() <= set(look.table_names(cursor, include_views=True)):  # partitioned ones too
            return False
        there = {table: {column.name for column in look.get_table_description(cursor, table)} for table in wanted}
    return all(field.column in there[table] for table, meta in wanted.items() for field in meta.concrete_fields)


def _is_migrating() -> bool:
    """Return whether a migration, or a receiver of `pre_migrate` or `post_migrate`, runs in this thread."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__") in MIGRATING:
            return True
    return False


def explain(error: DatabaseError, using: str) -> None:
    """Add to an error of a statement on the outbox what to do, where it is for want of its tables."""
    if Event._meta.db_table in str(error) or Callback._meta.db_table in str(error):
        error.add_note(f"The outbox of the database {using!r} is not migrated: run `manage.py migrate`.")


def forget_databases(using: str | None = None, **_: Any) -> None:
    """Look again: the tables of this database, or of all, may be made or removed."""
    for known in (_with_outbox, _mentioned):
        known.clear() if using is None else known.discard(using)
    _without_outbox.clear() if using is None else _without_outbox.pop(using, None)


def _settings_changed(setting: str, **_: Any) -> None:
    if setting in ("DATABASES", "DATABASE_ROUTERS"):
        forget_databases()


def _migrated(using: str, **_: Any) -> None:
    """Know it now: a look later on would be a query in somebody's transaction."""
    _without_outbox.pop(using, None)
    if using not in _with_outbox and using != home() and has_tables(using):
        _with_outbox.add(using)


def watch_migrations(app: Any) -> None:
    """Forget what is known before a `migrate`, and look after it."""
    setting_changed.connect(_settings_changed, dispatch_uid="heliostat.outbox.databases")
    pre_migrate.connect(forget_databases, sender=app, dispatch_uid="heliostat.outbox.databases")
    post_migrate.connect(_migrated, sender=app, dispatch_uid="heliostat.outbox.databases")
