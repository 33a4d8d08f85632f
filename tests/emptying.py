"""Emptying the databases after a test that committed: a tenth of the time that `flush` takes.

`flush` truncates every table of each database and then writes all content types and permissions again. Here only tables
that hold rows are emptied, and what belongs to the schema stays.
"""

from __future__ import annotations

from functools import cache

from django.db import connections, transaction
from django.test import TransactionTestCase

from heliostat.events.matching import registry

OF_THE_SCHEMA = {"django_migrations", "django_content_type", "auth_permission"}


def empty_instead_of_flush() -> None:
    """From now on, every test that commits leaves its databases like this."""
    TransactionTestCase._fixture_teardown = classmethod(_empty_all)  # type: ignore[assignment,method-assign]


def _empty_all(test: type[TransactionTestCase]) -> None:
    for using in test._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        empty(using)
    registry.catch_up()  # as `flush` sends `post_migrate`


def empty(using: str) -> None:
    """Delete all rows but those that the migrations made."""
    connection = connections[using]
    with connection.constraint_checks_disabled(), transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute(_which_hold_rows(using))
        for (table,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)}")


@cache
def _which_hold_rows(using: str) -> str:
    names = connections[using].introspection.django_table_names(only_existing=True, include_views=False)
    quote = connections[using].ops.quote_name
    return " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quote(name)})" for name in names if name not in OF_THE_SCHEMA
    )
