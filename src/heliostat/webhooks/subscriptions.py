"""Hooks as subscriptions, live in every process within a second of a commit, and in their own at once.

What all threads share is made of committed rows alone, read outside of transactions. A transaction that changes hooks
sees its own changes by an overlay on its connection.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection
from functools import wraps
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections, transaction
from django.db.backends.base.operations import BaseDatabaseOperations

from heliostat.conf import conf
from heliostat.delivery.worker import release_pooled
from heliostat.events.context import quiet
from heliostat.events.matching import registry
from heliostat.events.subscriptions import Interest
from heliostat.outbox.dialect import dialect_for
from heliostat.webhooks import changes
from heliostat.webhooks.changes import Position
from heliostat.webhooks.models import Hook, hooks_database
from heliostat.webhooks.rows import HookInterest, Maker, rows

logger = logging.getLogger("heliostat.webhooks")

DELETING = "heliostat_hooks_deleting"  # attribute of a connection
FLUSHES = "heliostat_notices"  # attribute of the method that empties tables, once it is wrapped
LONGEST_WAIT = 10.0  # seconds, while the database cannot be read

_watching: int | None = None  # the id of the process that a thread watches
_at_start: dict[str, object] = {}  # names of databases, by alias
_guard = threading.Lock()


class LiveHooks:
    """The source of subscriptions whose subscribers are hooks."""

    def __init__(self) -> None:
        self._is_known = False
        self._position: Position | None = None  # None: all hooks are still to be read
        self._database: object = None  # that they were read from
        self._reading = threading.RLock()  # so that an older answer does not overwrite a newer one
        self._is_forked = False
        os.register_at_fork(after_in_child=self._after_fork)

    @property
    def using(self) -> str:
        """Return the database of hooks."""
        return hooks_database()

    @property
    def is_known(self) -> bool:
        """Whether hooks were read, or cannot be for now."""
        return self._is_known and not self._is_forked

    def _after_fork(self) -> None:
        """Threads do not come along into a child; another thread of the parent may have held a lock."""
        global _guard, _watching
        _guard, _watching = threading.Lock(), None
        self._reading = threading.RLock()
        self._is_forked = True

    def look(self) -> None:
        """See that hooks are known: to all, or to the transaction that is open here."""
        if self._is_forked:
            self._is_forked = False
            if self._is_known:
                watch(self._look_around, self.using)
                self.catch_up()
        if self._is_known:
            return
        if not _is_in_transaction(self.using):
            self.catch_up()
            self._is_known = True
        elif connections[self.using].in_atomic_block and not registry.has_whole_overlay:
            self._know_here()

    def connected(self, connection: Any) -> None:
        """A connection was opened: perhaps the first one, or to another database than the last."""
        if connection.alias == self.using and (not self._is_known or self._database != _name(connection)):
            self.catch_up()
            self._is_known = True

    def catch_up(self) -> None:
        """Read what was committed since. Nothing in a transaction, which may see its own changes, or older rows."""
        try:
            self._look_around(self.using)
        except Exception as error:  # no such table before the first migration; or the database is away
            logger.debug("hooks cannot be read now, those that are known count: %s", error)
        watch(self._look_around, self.using)

    def _look_around(self, using: str) -> None:
        if using != self.using or _is_in_transaction(using):
            return
        with quiet():
            # Before the lock: of a pool's connections another thread may hold the last, and wait for the lock.
            connections[using].ensure_connection()
            with self._reading:
                self._read_news(using)
        if self._position is not None and self._position.early:
            changes.number(using)

    def _read_news(self, using: str) -> None:
        if self._database != _name(connections[using]):  # nothing of another database counts here
            registry.apply(dict.fromkeys(registry.live_orders()))
            self._position, self._database = None, _name(connections[using])
        if self._position is None:
            self._read_all(using)
            return
        news = changes.since(self._position, using)
        if news.hooks is None:
            self._read_all(using)
        else:
            if news.hooks:
                registry.apply(self._read(news.hooks))
            self._position = news.position

    def _read_all(self, using: str) -> None:
        """Read all hooks. Those whose rows did not change stay as they are, and cost no memory twice."""
        position = changes.where(using)  # what changes after it is read again
        maker, found, changed = Maker(using), set[int](), dict[int, Interest | None]()
        for row in rows(using):
            made = maker.of_row(row)
            found.add(made.order)
            known = registry.interest(made.order)
            if not (isinstance(known, HookInterest) and known.row == made.row and known.using == using):
                changed[made.order] = made
        registry.apply({**{order: None for order in registry.live_orders() if order not in found}, **changed})
        self._position, self._is_known = position, True

    def _read(self, pks: Collection[int] | None = None) -> dict[int, Interest | None]:
        """Read some hooks by id, or all; None for what is gone."""
        maker = Maker(self.using)
        found: dict[int, Interest | None] = {registry.order(pk): None for pk in pks or ()}
        for row in rows(self.using, None if pks is None else frozenset(pks)):
            found[registry.order(row.pk)] = maker.of_row(row)
        return found

    def _know_here(self) -> None:
        """Read all hooks as this transaction sees them, for it alone."""
        try:
            with quiet(), transaction.atomic(using=self.using):  # a savepoint: there may be no such table yet
                made = self._read()
        except DatabaseError as error:
            logger.debug("hooks cannot be read now: %s", error)
            made = {}
        registry.add_overlay(made, self.catch_up, is_whole=True)

    def changed(self, hooks: Collection[int] | None, using: str, deleted: bool) -> None:
        """Hooks changed in this process: it counts from the next event on."""
        if using != self.using:
            return
        if not connections[using].in_atomic_block:
            self.catch_up()
        elif hooks is None or not (self._is_known or registry.has_whole_overlay):
            self._know_here()
        elif deleted:
            registry.add_overlay({registry.order(pk): None for pk in hooks}, self.catch_up)
        else:
            with quiet():
                registry.add_overlay(self._read(hooks), self.catch_up)

    def again(self, interest: Interest) -> Interest:
        """Return the same hook, by the settings of now."""
        assert isinstance(interest, HookInterest)
        return Maker(interest.using, is_read=False).of_row(interest.row)


def _is_in_transaction(using: str) -> bool:
    connection = connections[using]
    return connection.in_atomic_block or (connection.connection is not None and not connection.get_autocommit())


def _name(connection: Any) -> object:
    return tuple(connection.settings_dict.get(part) for part in ("NAME", "HOST", "PORT"))


hooks = LiveHooks()


def hook_saved(instance: Hook, using: str, **_: Any) -> None:
    """A hook was saved in this process."""
    changes.note([instance.pk], using)


def hook_to_be_deleted(instance: Hook, using: str, **_: Any) -> None:
    """A hook is about to be deleted, perhaps with others."""
    connections[using].__dict__.setdefault(DELETING, set()).add(instance.pk)


def hook_deleted(instance: Hook, using: str, **_: Any) -> None:
    """Hooks were deleted. All that are deleted together are noted with the first.

    They are read again, not taken for gone: one of a deletion that failed before is among them, and is still there.
    """
    together: set[int] = connections[using].__dict__.get(DELETING, set())
    if instance.pk in together:
        changes.note(list(together), using)
        together.clear()


def tables_made(using: str, **_: Any) -> None:
    """Tables were made, or emptied: what is in them is known from now on."""
    if using == hooks.using:
        hooks.catch_up()


def notice_flushes() -> None:
    """Look again after Django emptied the tables: a `TransactionTestCase` with `serialized_rollback` does so without
    `post_migrate`, and the next test would still notify the hooks of the test before."""
    original = BaseDatabaseOperations.execute_sql_flush
    if hasattr(original, FLUSHES):  # the apps are made ready again, as in a test that changes INSTALLED_APPS
        return

    @wraps(original)
    def execute_sql_flush(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        tables_made(self.connection.alias)

    setattr(execute_sql_flush, FLUSHES, True)
    BaseDatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign]


def remember_databases() -> None:
    """Record which databases the settings name when the project starts; not when its apps are ready again in a test."""
    for using in connections:
        _at_start.setdefault(using, connections.settings[using].get("NAME"))


def watch(look: Callable[[str], None], using: str) -> None:
    """Call `look(using)` every HELIOSTAT_HOOKS_REFRESH seconds in a thread of this process's own (once a process)."""
    global _watching  # noqa: PLW0603  a process is watched by one thread
    if _watching == os.getpid() or not _is_shared(using):
        return
    with _guard:
        if _watching != os.getpid():
            _watching = os.getpid()
            threading.Thread(target=_watch, args=(look, using), name="heliostat-hooks", daemon=True).start()


def _is_shared(using: str) -> bool:
    """Return whether other processes may use the database.

    They do not use one in memory, nor one that a test runner switched this process to, and drops at the end.
    """
    if conf.hooks_refresh <= 0 or connections[using].settings_dict.get("NAME") != _at_start.get(using):
        return False
    return not dialect_for(using).is_in_memory


def _watch(look: Callable[[str], None], using: str) -> None:
    wait, failures = threading.Event(), 0
    while not wait.wait(min(conf.hooks_refresh * 2**failures, LONGEST_WAIT) if conf.hooks_refresh else 1.0):
        try:
            if not _is_shared(using):  # a test runner has just given the process another database
                connections[using].close()
                continue
            look(using)
            failures = 0
            release_pooled()
            if connections[using].settings_dict.get("CONN_MAX_AGE"):  # else it stays open, as in a request
                connections[using].close_if_unusable_or_obsolete()
        except Exception as error:  # the database is away for a while; look again
            logger.debug("changed hooks cannot be read now: %s", error)
            failures = min(failures + 1, 10)
            connections[using].close()
