"""Transactions around a change and its event, which the host application must not notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def change_transaction(using: str, savepoint: bool = False) -> Iterator[None]:
    """A transaction for a change that is read before it is made, as part of the one that is open.

    SQLite lets a transaction that began with a read fail at once where another connection has written since; so this
    one takes the lock for writing when it begins, and waits for it as long as the change itself would have waited.
    """
    connection: Any = transaction.get_connection(using)
    if connection.vendor != "sqlite" or connection.in_atomic_block or _takes_lock(connection):
        with transaction.atomic(using=using, savepoint=savepoint):
            yield
        return
    with ExitStack() as stack:
        connection.transaction_mode = "IMMEDIATE"
        try:
            stack.enter_context(transaction.atomic(using=using))
        finally:
            connection.transaction_mode = None
        yield


def _takes_lock(connection: Any) -> bool:
    """Whether transactions of this SQLite database begin in a mode that was chosen; it is known once it is open."""
    connection.ensure_connection()
    return connection.transaction_mode is not None


@contextmanager
def isolated(using: str) -> Iterator[None]:
    """Code of others, which may ask the database: should that fail, the caller's transaction goes on.

    A savepoint begins before the first query, so code that asks nothing costs nothing.
    """
    connection = transaction.get_connection(using)
    needed_rollback = connection.needs_rollback
    savepoint: list[str] = []
    begun: list[bool] = [] if connection.in_atomic_block else [True]

    def before_the_first_query(execute: Any, *query: Any) -> Any:
        if not begun:
            begun.append(True)
            savepoint.append(connection.savepoint())
        return execute(*query)

    try:
        with connection.execute_wrapper(before_the_first_query):
            yield
        if savepoint:
            connection.savepoint_commit(savepoint[0])
    except BaseException:
        if savepoint:
            connection.needs_rollback = needed_rollback  # what failed inside is undone right here
            connection.savepoint_rollback(savepoint[0])
        raise
