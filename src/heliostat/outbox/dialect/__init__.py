"""The SQL of the outbox, for each kind of database behind one narrow interface.

Times are compared by the database's own clock where there is one (PostgreSQL, MariaDB), so that workers whose clocks
differ agree on what is due.
"""

from __future__ import annotations

from functools import cache

from django.core.signals import setting_changed
from django.db import connections
from django.db.models import DateTimeField
from django.db.models.expressions import RawSQL

from heliostat.outbox.dialect.base import ATTEMPT, ATTEMPT_COLUMNS, BREAKER, CALLBACK, EVENT, Claimed, Dialect
from heliostat.outbox.dialect.mariadb import MariaDB
from heliostat.outbox.dialect.postgresql import PostgreSQL
from heliostat.outbox.dialect.sqlite import SQLite

__all__ = ["ATTEMPT", "ATTEMPT_COLUMNS", "BREAKER", "CALLBACK", "EVENT", "Claimed", "Dialect", "dialect_for", "moment"]

BY_VENDOR: dict[str, type[Dialect]] = {"sqlite": SQLite, "postgresql": PostgreSQL, "mysql": MariaDB}


@cache
def dialect_for(using: str) -> Dialect:
    """The dialect of this database. Any other than the three is spoken to in what all of them understand."""
    return BY_VENDOR.get(connections[using].vendor, Dialect)(using)


def _settings_changed(setting: str, **_: object) -> None:
    if setting in ("DATABASES", "TIME_ZONE", "USE_TZ"):
        dialect_for.cache_clear()


setting_changed.connect(_settings_changed, dispatch_uid="heliostat.outbox.dialect")


def moment(using: str, seconds: float = 0.0) -> RawSQL:
    """So many seconds from now by the database's clock, for queries and rows of models."""
    sql, value = dialect_for(using).after(seconds)
    return RawSQL(sql, [value], output_field=DateTimeField())  # noqa: S611  the dialect's own words
