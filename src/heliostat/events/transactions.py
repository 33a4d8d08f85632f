"""Transactions around a change and its event, which the host application must not notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from django.db import DatabaseError, DataError, InterfaceError, transaction

from heliostat.exceptions import Refused

ABORTED = 3
"""`PQTRANS_INERROR` of libpq."""


@contextmanager
def change_transaction(using: str, savepoint: bool = False, is_djangos: bool = False) -> Iterator[None]:
    """A transaction for a change that is read before it is made, as part of the one that is open.

    `is_djangos` says that Django begins a transaction for this change, too: without autocommit, an error then keeps
    the host from going on before it has rolled back.

    An error of the host's own statement leaves the caller's transaction as Django leaves it; what is done for the event
    goes into `ours()`, whose errors end that transaction.
    """
    connection: Any = transaction.get_connection(using)
    is_broken: bool | None = None
    try:
        with one_transaction(using, savepoint, is_djangos):
            try:
                yield
            except BaseException as error:  # a timeout need be no Exception
                if not isinstance(error, Refused):
                    is_broken = connection.needs_rollback
                raise
    except BaseException:
        if is_broken is not None and connection.in_atomic_block:
            connection.needs_rollback = is_broken
        raise


@contextmanager
def ours(using: str, is_reading: bool = False) -> Iterator[None]:
    """An error in here ends the open transaction; if another one has done that already, Django goes on naming that.

    `is_reading`: rows are only read in here, so that a value that a field's own code or the driver cannot read does no
    harm. Raises a `ValueError` in place of the driver's error.
    """
    connection: Any = transaction.get_connection(using)
    try:
        yield
    except BaseException as error:
        if is_reading and isinstance(error, DataError) and not is_lost(using):
            raise ValueError(f"The driver of the database {using!r} cannot read a value.") from error
        is_of_field = isinstance(error, Exception) and not isinstance(error, (DatabaseError, InterfaceError))
        if connection.in_atomic_block and not connection.needs_rollback and not (is_reading and is_of_field):
            connection.needs_rollback = True
            connection.rollback_exc = error
        raise


def is_lost(using: str) -> bool:
    """Whether the open transaction is broken: nothing of it will be committed, and nothing can be written any more.

    PostgreSQL knows of errors that the host has kept from Django.
    """
    connection: Any = transaction.get_connection(using)
    is_aborted = connection.vendor == "postgresql" and connection.connection.info.transaction_status == ABORTED
    return bool(connection.needs_rollback or is_aborted)


def one_transaction(using: str, savepoint: bool = False, is_djangos: bool = False) -> AbstractContextManager[None]:
    """The transaction that is open, with a savepoint where one is asked for; or a new one.

    SQLite lets a transaction that began with a read fail at once where another connection has written since; so a new
    one takes the lock for writing when it begins, and waits for it as long as the change itself would have waited.
    """
    connection: Any = transaction.get_connection(using)
    if not connection.in_atomic_block:
        if connection.needs_rollback and not is_djangos:  # without autocommit: a block of ours would end that
            return nullcontext()
        if not connection.get_autocommit() or _is_begun_by_sql(connection):
            return _joined(connection, savepoint, is_djangos)
        if connection.vendor == "sqlite" and connection.transaction_mode is None:
            return _locking_at_once(connection)
    return transaction.atomic(using, savepoint)


@contextmanager
def _locking_at_once(connection: Any) -> Iterator[None]:
    connection.transaction_mode = "IMMEDIATE"
    try:
        with transaction.atomic(connection.alias):
            yield
    finally:
        connection.transaction_mode = None


def _is_begun_by_sql(connection: Any) -> bool:
    """Whether a transaction is open of which Django knows nothing; the driver of MariaDB cannot say."""
    if connection.vendor == "sqlite":
        return bool(connection.connection.in_transaction)
    return bool(connection.vendor == "postgresql" and connection.connection.info.transaction_status)


@contextmanager
def _joined(connection: Any, savepoint: bool, is_djangos: bool) -> Iterator[None]:
    """Take part in a transaction that the host began by itself: after `set_autocommit(False)`, or by SQL.

    Django takes part in the first by itself, and so it does in the second while it takes it for one. What waits for
    the commit of the second runs at once, as it does where Django knows of no transaction.
    """
    is_by_sql = connection.autocommit
    if connection.vendor == "sqlite" and not connection.connection.in_transaction:
        # The driver would do it before the first change; a savepoint before that would be the transaction.
        connection.cursor().execute("BEGIN IMMEDIATE")
    connection.autocommit = False
    is_ours = is_by_sql or not is_djangos
    savepoint = savepoint or (is_ours and connection.vendor != "postgresql")  # where each error ends the transaction
    try:
        with transaction.atomic(connection.alias, savepoint):
            yield
    finally:
        connection.autocommit = is_by_sql
        connection.in_atomic_block = False  # Django leaves it where the block cannot begin, for its savepoint fails
        if is_ours:
            connection.needs_rollback = False  # which counts within Django's blocks, and there was none but ours
    if is_by_sql:
        connection.run_and_clear_commit_hooks()
