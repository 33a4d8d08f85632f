"""A savepoint around code of others that may query, taken only if it does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


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
        if not self._is_begun and id(self.connection) not in _beginning:
            self._is_begun = True
            if not self._needed_rollback:
                self._begin()
        return execute(*query)

    def _begin(self) -> None:
        """Where guards are nested, the savepoint of the outer one is no query of what is inside the inner one."""
        _beginning.add(id(self.connection))
        try:
            self._savepoint = self.connection.savepoint()
        finally:
            _beginning.discard(id(self.connection))

    def keep(self) -> None:
        """Release it; but undo what a query broke whose error the code inside kept to itself."""
        if self.connection.needs_rollback and not self._needed_rollback:
            self.undo()
        elif self._savepoint is not None:
            try:
                self.connection.savepoint_commit(self._savepoint)
            except DatabaseError:
                self.undo()

    def undo(self) -> None:
        """Go back, and forget what was to happen at the commit."""
        self.connection.needs_rollback = self._needed_rollback
        if len(self.connection.run_on_commit) > self._waiting_for_commit:
            self.connection.run_on_commit = self.connection.run_on_commit[: self._waiting_for_commit]
        if self._savepoint is not None:
            try:
                self.connection.savepoint_rollback(self._savepoint)
            except DatabaseError:
                self.connection.needs_rollback = True  # the transaction is gone: nobody may go on as if it were there
                raise
