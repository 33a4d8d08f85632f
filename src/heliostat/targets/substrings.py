"""Finding names by a part of them: by an index of trigrams, where the database can have one.

PostgreSQL has one in its extension `pg_trgm`, SQLite in FTS5. Both may be missing, and a user of PostgreSQL may not be
allowed to create an extension: then the database reads all names, which takes longer and finds the same.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL

from heliostat.targets.folding import fold
from heliostat.targets.names import FoldedName

logger = logging.getLogger(__name__)

TRIGRAM = 3
"""Letters of the shortest part that an index of trigrams finds."""
_LAST = "\U0010ffff"
_TABLE = FoldedName._meta.db_table
_INDEX = f"{_TABLE}_trigrams"
_SQLITE = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {_INDEX} USING fts5"
    f"(folded, content='{_TABLE}', content_rowid='id', tokenize='trigram case_sensitive 1')",
    f"CREATE TRIGGER IF NOT EXISTS {_INDEX}_insert AFTER INSERT ON {_TABLE} BEGIN"
    f" INSERT INTO {_INDEX} (rowid, folded) VALUES (new.id, new.folded); END",
    f"CREATE TRIGGER IF NOT EXISTS {_INDEX}_delete AFTER DELETE ON {_TABLE} BEGIN"
    f" INSERT INTO {_INDEX} ({_INDEX}, rowid, folded) VALUES ('delete', old.id, old.folded); END",
    f"CREATE TRIGGER IF NOT EXISTS {_INDEX}_update AFTER UPDATE OF id, folded ON {_TABLE} BEGIN"
    f" INSERT INTO {_INDEX} ({_INDEX}, rowid, folded) VALUES ('delete', old.id, old.folded);"
    f" INSERT INTO {_INDEX} (rowid, folded) VALUES (new.id, new.folded); END",
    f"INSERT INTO {_INDEX} ({_INDEX}) VALUES ('rebuild')",
)
_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    f"CREATE INDEX IF NOT EXISTS {_INDEX} ON {_TABLE} USING gin (folded gin_trgm_ops) WITH (fastupdate = off)",
)


def named_like(words: str, using: str) -> QuerySet[FoldedName]:
    """Return the rows of the names table that are like the words, by an index where there is one."""
    part, names = fold(words), FoldedName.objects.using(using)
    if len(part) < TRIGRAM or connections[using].vendor != "sqlite" or not _has_index(using):
        return names.filter(is_like(words))
    phrase = '"' + part.replace('"', '""') + '"'
    matching = RawSQL(f"SELECT rowid FROM {_INDEX} WHERE folded MATCH %s", [phrase])  # noqa: S611  own table
    return names.filter(pk__in=matching)


def is_like(words: str) -> Q:
    """Return the condition that a folded name contains the words; of fewer than three letters: begins with them."""
    part = fold(words)
    return Q(folded__contains=part) if len(part) >= TRIGRAM else Q(folded__gte=part, folded__lt=part + _LAST)


def ensure_index(using: str, **_: Any) -> None:
    """Create the index of trigrams where it is missing and can be: after each `migrate`."""
    connection = connections[using]
    statements = {"sqlite": _SQLITE, "postgresql": _POSTGRESQL}.get(connection.vendor, ())
    if not statements or _has_index(using) or _TABLE not in connection.introspection.table_names():
        return
    try:
        with transaction.atomic(using=using), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except DatabaseError as error:
        logger.warning(
            "Searching targets by a part of their names reads all names: there is no index of trigrams on %s: %s",
            using,
            str(error).strip(),
        )


def _has_index(using: str) -> bool:
    connection = connections[using]
    query = {
        "sqlite": "SELECT 1 FROM sqlite_master WHERE name = %s",
        "postgresql": "SELECT 1 WHERE to_regclass(%s) IS NOT NULL",
    }[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(query, [f"{_INDEX}_update" if connection.vendor == "sqlite" else _INDEX])
        return cursor.fetchone() is not None
