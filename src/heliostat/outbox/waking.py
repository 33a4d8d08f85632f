"""Wake workers right after a commit. Polling finds everything; this only makes it fast.

A worker that sleeps waits for three things at once: a pipe that threads of its own process write to; a named pipe that
other processes of this machine write to, where the database is SQLite or MariaDB; the NOTIFY of PostgreSQL.
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
from django.db import connections

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
    dialect, connection = dialect_for(using), connections[using]
    if dialect.has_notify and not is_notified:
        with connection.cursor() as cursor:
            dialect.notify(cursor)
    if wakers := _wakers.get(using):
        connection.on_commit(partial(_wake_all, wakers), robust=True)
    elif (pipes := dialect.named_pipes(connection)) is not None:
        connection.on_commit(partial(wake_processes, pipes), robust=True)


def _wake_all(wakers: list[Waker]) -> None:
    for waker in tuple(wakers):
        waker.committed()


class Waker:
    """Wakes one worker: from any thread of its process, from a signal handler, and by commits once it listens."""

    def __init__(self, using: str) -> None:
        self._using = using
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for descriptor in (self._reader, self._writer):
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
        elif (pipes := dialect.named_pipes(connections[self._using])) is not None:
            try:
                self._named = NamedPipe(pipes)
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

    def wake(self, why: bytes = OTHER) -> None:
        """End the wait."""
        with contextlib.suppress(BlockingIOError):  # the pipe is full, so it wakes anyway
            os.write(self._writer, why)

    def committed(self) -> None:
        """End the wait: something was committed."""
        self.wake(COMMITTED)

    def wait(self, seconds: float) -> bool:
        """Wait until woken, or so long at most. Return whether something was committed."""
        is_news = self._has_connected()
        for descriptor, _ in self._poll.poll(0 if is_news else seconds * 1000):
            if descriptor == self._reader or (self._named and descriptor == self._named.reader):
                is_news |= COMMITTED in os.read(descriptor, PIPE_SIZE)
                continue
            try:
                is_news |= bool(list(self._notifier.connection.notifies(timeout=0)))
            except (OSError, self._notifier.Database.Error) as error:
                self._poll.unregister(descriptor)
                self._lose_notifier(error)
        return is_news

    def _has_connected(self) -> bool:
        """Connect to PostgreSQL where it has to. Return whether it did: something may have been committed before."""
        is_connected = self._notifier is None or self._notifier.connection is not None
        if is_connected or time.monotonic() < self._connects_at:
            return False
        try:
            with self._notifier.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
        except (DatabaseError, OSError) as error:
            self._lose_notifier(error)
            return False
        self._poll.register(self._notifier.connection.fileno(), select.POLLIN)
        return True

    def _lose_notifier(self, error: Exception) -> None:
        logger.info("not listening to PostgreSQL (%s); polling until it is back", str(error).strip())
        self._connects_at = time.monotonic() + RECONNECT
        self._notifier.close()


class NamedPipe:
    """A pipe that other processes find by the database, in a folder that only this user can enter.

    Not a socket: its path may have some 100 characters only, which a temporary folder can exceed. Raise `OSError`
    where there can be none.
    """

    def __init__(self, database: str) -> None:
        folder, name = folder_of(database), f"{os.getpid()}-{secrets.token_hex(4)}"
        hidden = folder / f".{name}"
        is_made = False
        while not is_made:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=PRIVATE)
            with contextlib.suppress(FileNotFoundError):  # the last of the other workers has just removed the folder
                if not _is_private(str(folder)):
                    raise OSError(f"{folder} belongs to somebody else")
                os.mkfifo(hidden, mode=0o600)
                is_made = True
        # Also for writing, so that no other writer is the last to hang up.
        self.reader = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
        self._path = hidden.rename(folder / name)  # only now is it found

    def close(self) -> None:
        os.close(self.reader)
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
        names = os.listdir(folder) if _is_private(str(folder)) else []
    except OSError:  # no worker has ever been here
        return
    for name in names:
        if name.startswith("."):
            continue
        try:
            pipe = os.open(folder / name, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:  # its worker was killed, and nobody reads it
                (folder / name).unlink(missing_ok=True)
            continue
        with contextlib.suppress(OSError):  # it is full, or has just gone
            os.write(pipe, COMMITTED)
        os.close(pipe)


def _is_private(folder: str) -> bool:
    """Return whether the folder is this user's: others can make one in the shared temporary directory, too."""
    status = os.lstat(folder)
    return status.st_uid == os.getuid() and status.st_mode & 0o777 == PRIVATE
