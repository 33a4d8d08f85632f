"""Waking workers in other processes of this machine, where the database cannot: a named pipe for each, in a folder
that only this user can enter.

Whoever commits rings at all of them; a ring that is lost costs no more than the time until the worker looks by itself.
Pipes, not sockets: the path of a socket may have no more than some 100 characters, which a temporary folder can exceed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import select
import tempfile
from functools import cache
from pathlib import Path

PRIVATE = 0o700
PIPE_SIZE = 65536


@cache  # a commit rings
def folder_of(database: str) -> Path:
    """Where the doorbells of the workers of this database are: a file, or what else names it."""
    name = hashlib.sha256(os.path.realpath(database).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"heliostat-{os.getuid()}-{name}"


def ring(database: str) -> None:
    """Wake every worker of this database, in whatever process. Never fails, never waits."""
    folder = folder_of(database)
    try:
        doors = os.listdir(folder) if _is_ours(folder) else []
    except OSError:  # no worker has ever been here
        return
    for door in doors:
        if not door.startswith("."):
            _ring_one(folder / door)


def _ring_one(door: Path) -> None:
    with contextlib.suppress(OSError):  # it has been rung at so often already that it cannot take more, or has gone
        try:
            pipe = os.open(door, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody behind it: its worker was killed
                door.unlink()
            return
        try:
            os.write(pipe, b"!")
        finally:
            os.close(pipe)


def _is_ours(folder: Path) -> bool:
    """A folder that somebody else made in the shared temporary directory is not to be trusted."""
    status = folder.lstat()
    return status.st_uid == os.getuid() and status.st_mode & 0o777 == PRIVATE


class Doorbell:
    """A worker's own: `wait` returns when somebody rang. Raises `OSError` where there can be none."""

    def __init__(self, database: str) -> None:
        folder = folder_of(database)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        hidden = _make_pipe(folder, f".{name}")
        self._pipe = os.open(hidden, os.O_RDONLY | os.O_NONBLOCK)
        self._other_end = os.open(hidden, os.O_WRONLY | os.O_NONBLOCK)  # so that no ringer is ever the last to hang up
        self._path = hidden.rename(folder / name)  # only now is there somebody to answer
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)

    def wait(self, seconds: float) -> bool:
        """Whether somebody rang within this time. Rings that came together count as one."""
        rang = bool(self._poll.poll(seconds * 1000))
        if rang:
            os.read(self._pipe, PIPE_SIZE)
        return rang

    def close(self) -> None:
        os.close(self._pipe)
        os.close(self._other_end)
        self._path.unlink(missing_ok=True)  # whoever rang just now may have been quicker
        with contextlib.suppress(OSError):
            self._path.parent.rmdir()  # if this was the last one


def _make_pipe(folder: Path, name: str) -> Path:
    """Makes the folder too, and again should the last of the other workers have taken it away in this very moment."""
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=PRIVATE)
        with contextlib.suppress(FileNotFoundError):
            if not _is_ours(folder):
                raise OSError(f"{folder} belongs to somebody else")
            os.mkfifo(folder / name, mode=0o600)
            return folder / name
