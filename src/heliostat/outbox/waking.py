"""Waking workers right after a commit. Polling is the truth; this only makes it fast.

A worker that sleeps waits for three things at once: a pipe into which threads of its own process write; a named pipe
into which other processes of this machine write, where the database is SQLite or MariaDB; the NOTIFY of PostgreSQL.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import select
import tempfile
import time
import weakref
from functools import cache, partial
from pathlib import Path
from typing import Any

from django.db import Error as DatabaseError
from django.db import connections, transaction

from heliostat.outbox.dialect import dialect_for
from heliostat.outbox.dialect.postgresql import CHANNEL

logger = logging.getLogger("heliostat.outbox")

COMMITTED, OTHER = b"!", b"."
PIPE_SIZE = 65536
PRIVATE = 0o700
RECONNECT = 1.0  # seconds

_wakers: dict[str, list[Waker]] = {}  # of this process that wait for commits, by database


def wake_after_commit(using: str, *, is_notified: bool = False) -> None:
    """Wake the workers of a database when this transaction commits. `is_notified`: its NOTIFY is sent already."""
    dialect = dialect_for(using)
    if dialect.has_notify and not is_notified:
        with connections[using].cursor() as cursor:
            dialect.notify(cursor)
    if _wakers.get(using):
        transaction.on_commit(partial(_wake_here, using), using=using, robust=True)
    elif (door := dialect.door) is not None:
        transaction.on_commit(partial(wake_processes, door), using=using, robust=True)


def _wake_here(using: str) -> None:
    for waker in tuple(_wakers.get(using, ())):
        waker.committed()


class Waker:
    """Wakes one worker: from any thread of its process, from a signal handler, and by commits once it listens."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._reader, self._writer = os.pipe()
        for descriptor in (self._reader, self._writer):
            os.set_blocking(descriptor, False)
            # Not before the last thread that may write has forgotten it: the number is soon that of another file.
            weakref.finalize(self, os.close, descriptor)
        self._poll = select.poll()
        self._poll.register(self._reader, select.POLLIN)
        self._named: NamedPipe | None = None
        self._notifier: Any = None  # a connection of its own, never one of a pool, which has few
        self._connects_at = 0.0

    def listen(self) -> None:
        """Be woken by commits in this database, too."""
        _wakers.setdefault(self._using, []).append(self)
        dialect = dialect_for(self._using)
        if dialect.has_notify:
            self._notifier = connections[self._using].copy()
            self._notifier.settings_dict["OPTIONS"].pop("pool", None)
        elif dialect.door is not None:
            try:
                self._named = NamedPipe(dialect.door)
            except OSError as error:
                logger.info("other processes cannot wake this worker (%s); polling", error)
            else:
                self._poll.register(self._named.reader, select.POLLIN)

    def close(self) -> None:
        """Stop listening to commits."""
        if self in _wakers.get(self._using, ()):
            _wakers[self._using].remove(self)
        if self._named is not None:
            self._poll.unregister(self._named.reader)
            self._named.close()
            self._named = None
        if self._notifier is not None:
            self._notifier.close()
            self._notifier = None

    def wake(self) -> None:
        """End the wait."""
        self._write(OTHER)

    def committed(self) -> None:
        """End the wait: something was committed."""
        self._write(COMMITTED)

    def _write(self, what: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # the pipe is full, so it wakes anyway
            os.write(self._writer, what)

    def wait(self, seconds: float) -> bool:
        """Wait until woken, or so long at most. Return whether something was committed."""
        is_news = self._notifier is not None and self._notifier.connection is None and self._connected()
        for descriptor, _ in self._poll.poll(0 if is_news else seconds * 1000):
            if descriptor == self._reader or (self._named and descriptor == self._named.reader):
                is_news |= COMMITTED in os.read(descriptor, PIPE_SIZE)
            else:
                is_news |= self._notified(descriptor)
        return is_news

    def _connected(self) -> bool:
        """Return whether it now listens to NOTIFY: something may have been committed before."""
        if time.monotonic() < self._connects_at:
            return False
        try:
            with self._notifier.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        except (DatabaseError, OSError) as error:
            self._lost(error)
            return False
        self._poll.register(self._notifier.connection.fileno(), select.POLLIN)
        return True

    def _notified(self, descriptor: int) -> bool:
        try:
            return bool(list(self._notifier.connection.notifies(timeout=0)))
        except (OSError, self._notifier.Database.Error) as error:
            self._poll.unregister(descriptor)
            self._lost(error)
            return False

    def _lost(self, error: Exception) -> None:
        logger.info("not listening to PostgreSQL (%s); polling until it is back", str(error).strip())
        self._connects_at = time.monotonic() + RECONNECT
        self._notifier.close()


class NamedPipe:
    """A pipe that other processes find by the database, in a folder that only this user can enter.

    Not a socket: its path may have some 100 characters only, which a temporary folder can exceed. Raises `OSError`
    where there can be none.
    """

    def __init__(self, database: str) -> None:
        folder = folder_of(database)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        hidden = _make_pipe(folder, f".{name}")
        self.reader = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK)
        self._writer = os.open(hidden, os.O_WRONLY | os.O_NONBLOCK)  # so that no other writer is the last to hang up
        self._path = hidden.rename(folder / name)  # only now is it found

    def close(self) -> None:
        os.close(self.reader)
        os.close(self._writer)
        self._path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._path.parent.rmdir()  # if this was the last one


@cache
def folder_of(database: str) -> Path:
    """Return where the pipes of the workers of this database are: a file, or what else names it."""
    name = hashlib.sha256(os.path.realpath(database).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"heliostat-{os.getuid()}-{name}"


def wake_processes(database: str) -> None:
    """Wake every worker of this database that has a named pipe. Never fails, never waits."""
    folder = folder_of(database)
    try:
        names = os.listdir(folder) if _is_private(folder) else []
    except OSError:  # no worker has ever been here
        return
    for name in names:
        if not name.startswith("."):
            _wake_process(folder / name)


def _wake_process(path: Path) -> None:
    with contextlib.suppress(OSError):  # it is full, or has just gone
        try:
            pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody reads it: its worker was killed
                path.unlink()
            return
        try:
            os.write(pipe, COMMITTED)
        finally:
            os.close(pipe)


def _is_private(folder: Path) -> bool:
    """Return whether the folder is this user's: others can make one in the shared temporary directory, too."""
    status = folder.lstat()
    return status.st_uid == os.getuid() and status.st_mode & 0o777 == PRIVATE


def _make_pipe(folder: Path, name: str) -> Path:
    """Make the folder too, and again should the last of the other workers remove it at this very moment."""
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=PRIVATE)
        with contextlib.suppress(FileNotFoundError):
            if not _is_private(folder):
                raise OSError(f"{folder} belongs to somebody else")
            os.mkfifo(folder / name, mode=0o600)
            return folder / name
