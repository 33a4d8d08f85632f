"""Transactions around a change and its event, which the host application must not notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import transaction

from heliostat.exceptions import Refused


@contextmanager
def change_transaction(using: str, savepoint: bool = False) -> Iterator[None]:
    """A transaction for a change that is read before it is made, as part of the one that is open.

    SQLite lets a transaction that began with a read fail at once where another connection has written since; so this
    one takes the lock for writing when it begins, and waits for it as long as the change itself would have waited.
    An error of the host's own statement leaves the caller's transaction as Django leaves it; what is done for the event
    goes into `ours()`, whose errors end that transaction.
    """
    connection: Any = transaction.get_connection(using)
    is_broken: bool | None = None
    try:
        with _begun(connection, savepoint):
            try:
                yield
            except Exception as error:
                if not isinstance(error, Refused):
                    is_broken = connection.needs_rollback
                raise
    except Exception:
        if is_broken is not None and connection.in_atomic_block:
            connection.needs_rollback = is_broken
        raise


ours = transaction.mark_for_rollback_on_error


@contextmanager
def _begun(connection: Any, savepoint: bool) -> Iterator[None]:
    if connection.vendor != "sqlite" or connection.in_atomic_block or _takes_lock(connection):
        with transaction.atomic(using=connection.alias, savepoint=savepoint):
            yield
        return
    with ExitStack() as stack:
        connection.transaction_mode = "IMMEDIATE"
        try:
            stack.enter_context(transaction.atomic(using=connection.alias))
        finally:
            connection.transaction_mode = None
        yield


def _takes_lock(connection: Any) -> bool:
    """Whether transactions of this SQLite database begin in a mode that was chosen; it is known once it is open."""
    connection.ensure_connection()
    return connection.transaction_mode is not None
