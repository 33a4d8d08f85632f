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
from django.db import DatabaseError, connections, models
from django.db.models.signals import post_migrate, pre_migrate

from heliostat.events.databases import home
from heliostat.outbox.models import Callback, Event

logger = logging.getLogger("heliostat.outbox")

LOOK_AGAIN = 60.0  # seconds after which a database without the tables is looked at again
MIGRATING = ("django.db.migrations.executor", "django.core.management.commands.migrate", "django.core.management.sql")

_with_outbox: set[str] = set()
_without_outbox: dict[str, float] = {}  # when each was looked at
_mentioned: set[str] = set()


def has_outbox(using: str) -> bool:
    """Return whether durable events of this database are kept: cheap, and without a query once it is known.

    False in a database without the outbox's tables, and in a `migrate` that has not made them yet. True in the home of
    the outbox at any other time: where its tables are missing, the INSERT says so.
    """
    return using in _with_outbox or _look(using)


def _look(using: str) -> bool:
    looked_at = _without_outbox.get(using)
    if looked_at is not None and time.monotonic() < looked_at + LOOK_AGAIN:
        return False
    is_migrating, is_home = _is_migrating(), using == home()
    if (is_home and not is_migrating) or has_tables(using):
        _with_outbox.add(using)
        return True
    if not is_home:
        _without_outbox[using] = time.monotonic()
    _mention(using, is_migrating)
    return False


def has_tables(using: str) -> bool:
    """Return whether the outbox's tables are in this database, with every column. This asks the database."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor, include_views=True)  # partitioned ones too
        return all(
            model._meta.db_table in tables and _columns(model) <= _columns_in(connection, cursor, model)
            for model in (Event, Callback)
        )


def _columns(model: type[models.Model]) -> set[str]:
    return {field.column for field in model._meta.concrete_fields if field.column}


def _columns_in(connection: Any, cursor: Any, model: type[models.Model]) -> set[str]:
    return {column.name for column in connection.introspection.get_table_description(cursor, model._meta.db_table)}


def _is_migrating() -> bool:
    """Return whether a migration, or a receiver of `pre_migrate` or `post_migrate`, runs in this thread."""
    frame = sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        if frame.f_globals.get("__name__") in MIGRATING:
            return True
    return False


def _mention(using: str, is_migrating: bool) -> None:
    """Log once what is not kept, and why."""
    if using in _mentioned:
        return
    _mentioned.add(using)
    if is_migrating:
        logger.warning(
            "the database %r has no outbox tables yet: events of this migration are dropped until they are made", using
        )
    else:
        logger.warning(
            "the database %r has no outbox tables: durable subscribers are not notified of its events; "
            "run `manage.py migrate --database=%s heliostat_outbox`, or let a router keep these models elsewhere",
            using,
            using,
        )


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
