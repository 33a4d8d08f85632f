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
