"""What capture does inside the host's save: transactions, savepoints and errors that the host must not notice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from types import TracebackType
from typing import Any, TypeVar

from django.db import DatabaseError, DataError, Error, InterfaceError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from heliostat.exceptions import HeliostatError, Refused

logger = logging.getLogger("heliostat.events")

ABORTED = 3
"""`PQTRANS_INERROR` of libpq."""


class change_transaction:  # called like a function; every save passes it, and a generator costs twice as much
    """A transaction for a change that is read before it is made, as part of the one that is open.

    `is_djangos` says that Django begins a transaction for this change, too: without autocommit, an error then keeps
    the host from going on before it has rolled back.

    An error of the host's own statement leaves the caller's transaction as Django leaves it; what is done for the event
    goes into `ours()`, whose errors end that transaction.
    """

    __slots__ = ("_block", "_connection")

    def __init__(self, using: str, savepoint: bool = False, is_djangos: bool = False) -> None:
        self._connection: Any = transaction.get_connection(using)
        self._block = _one_transaction(self._connection, savepoint, is_djangos)

    def __enter__(self) -> None:
        self._block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, Refused):
            self._block.__exit__(kind, error, trace)
            return
        was_broken = self._connection.needs_rollback
        try:
            self._block.__exit__(kind, error, trace)
        finally:
            if self._connection.in_atomic_block:
                self._connection.needs_rollback = was_broken


class ours:
    """An error in here ends the open transaction; if another one has done that already, Django goes on naming that.

    `is_reading`: rows are only read in here, so that a value that a field's own code or the driver cannot read does no
    harm. Raises a `ValueError` in place of the driver's error.
    """

    __slots__ = ("_is_reading", "_using")

    def __init__(self, using: str, is_reading: bool = False) -> None:
        self._using = using
        self._is_reading = is_reading

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        if self._is_reading and isinstance(error, DataError) and not is_lost(self._using):
            raise ValueError(f"The driver of the database {self._using!r} cannot read a value.") from error
        is_of_field = isinstance(error, Exception) and not isinstance(error, (DatabaseError, InterfaceError))
        connection: Any = transaction.get_connection(self._using)
        if connection.in_atomic_block and not connection.needs_rollback and not (self._is_reading and is_of_field):
            connection.needs_rollback = True
            connection.rollback_exc = error


def is_lost(using: str) -> bool:
    """Whether the open transaction is broken: nothing of it will be committed, and nothing can be written any more.

    PostgreSQL knows of errors that the host has kept from Django.
    """
    connection: Any = transaction.get_connection(using)
    is_open = connection.vendor == "postgresql" and connection.connection is not None
    return bool(connection.needs_rollback or (is_open and connection.connection.info.transaction_status == ABORTED))


def one_transaction(using: str) -> AbstractContextManager[None]:
    """Return the transaction that is open, or a new one."""
    return _one_transaction(transaction.get_connection(using))


def _one_transaction(
    connection: Any, savepoint: bool = False, is_djangos: bool = False
) -> AbstractContextManager[None]:
    using: str = connection.alias
    if connection.in_atomic_block:
        return transaction.atomic(using) if savepoint else nullcontext()
    if connection.needs_rollback and not is_djangos:  # without autocommit: a block of ours would end that
        return nullcontext()
    if not connection.get_autocommit() or _is_begun_by_sql(connection):
        return _joined(connection, savepoint, is_djangos)
    if connection.vendor == "sqlite" and connection.transaction_mode is None:
        return _LockingAtOnce(using, savepoint=True, durable=False)
    return transaction.atomic(using)


class _LockingAtOnce(transaction.Atomic):
    """SQLite lets a transaction that began with a read fail at once where another connection has written since; so this
    one takes the lock for writing when it begins, and waits for it as long as the change itself would have waited."""

    def __enter__(self) -> None:
        connection: Any = transaction.get_connection(self.using)
        connection.transaction_mode = "IMMEDIATE"
        try:
            super().__enter__()
        finally:
            connection.transaction_mode = None


def _is_begun_by_sql(connection: Any) -> bool:
    """Return whether a transaction is open of which Django knows nothing; the driver of MariaDB cannot say."""
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


@contextmanager
def own_savepoint() -> Iterator[None]:
    """Undo what the code inside did in any open transaction where it raises, and nothing else: the caller goes on.

    Without it, a query that fails would abort the transaction of the caller (PostgreSQL), and an `atomic()` inside
    would mark it as broken. Costs no statement where the code inside makes none. Raises what the code inside raises,
    and what the database raises where it has lost the whole transaction.
    """
    guards = [_Guard(connection) for connection in connections.all(initialized_only=True) if connection.in_atomic_block]
    with ExitStack() as stack:
        for guard in guards:
            stack.enter_context(guard.connection.execute_wrapper(guard))
        try:
            yield
        except BaseException:
            for guard in guards:
                guard.undo()
            raise
        for guard in guards:
            guard.keep()


_beginning: set[int] = set()  # connections on which a guard takes its savepoint just now; each is of one thread


class _Guard:
    """Of one connection in a transaction: the savepoint before the first query, and what was as it was before."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection
        self._savepoint: str | None = None
        self._is_begun = False
        self._needed_rollback = connection.needs_rollback
        self._waiting_for_commit = len(connection.run_on_commit)

    def __call__(self, execute: Any, *query: Any) -> Any:
        connection = id(self.connection)
        if not self._is_begun and connection not in _beginning:  # an inner guard ignores the savepoint of an outer one
            self._is_begun = True
            if not self._needed_rollback:
                _beginning.add(connection)
                try:
                    self._savepoint = self.connection.savepoint()
                finally:
                    _beginning.discard(connection)
        return execute(*query)

    def keep(self) -> None:
        """Release it; but undo what a query broke whose error the code inside kept to itself."""
        if self.connection.needs_rollback and not self._needed_rollback:
            self.undo()
        elif self._savepoint is not None:
            try:
                self.connection.savepoint_commit(self._savepoint)
            except Error:
                self.undo()

    def undo(self) -> None:
        """Go back, and forget what was to happen at the commit."""
        self.connection.needs_rollback = self._needed_rollback
        if len(self.connection.run_on_commit) > self._waiting_for_commit:
            self.connection.run_on_commit = self.connection.run_on_commit[: self._waiting_for_commit]
        if self._savepoint is not None:
            try:
                self.connection.savepoint_rollback(self._savepoint)
                self.connection.savepoint_commit(self._savepoint)  # a rollback to it leaves it open
            except Error:
                self.connection.needs_rollback = True  # the transaction is gone: nobody may go on as if it were there
                raise


T = TypeVar("T")
OF_THE_HOST = (DatabaseError, InterfaceError, HeliostatError)
"""Errors that end the change: the transaction is broken, or a subscriber refused."""


def attempt(
    of: type[models.Model] | str, work: Callable[[], T], otherwise: T, but: tuple[type[Exception], ...] = ()
) -> T:
    """Return what `work` returns, or `otherwise` where it raises: a field whose own code fails on a value of its own
    (a key that it cannot look up, for example). The error is logged; the change of an object of a model stands, without
    its event, and so does a signal (its path).

    Errors of the database and of subscribers, and those that `but` names, are raised. In a transaction that is broken
    already nothing can be read, and nothing will be committed: there is no event, and what is raised is the host's.
    """
    try:
        return work()
    except TransactionManagementError:
        return otherwise
    except Exception as error:
        if isinstance(error, (*OF_THE_HOST, *but)):
            raise
        label = of if isinstance(of, str) else f"A change of {of._meta.label}"
        logger.exception("%s has no event: what happened could not be read; see the error.", label)
        return otherwise
