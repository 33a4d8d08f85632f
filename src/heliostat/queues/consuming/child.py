"""Handlers with a time limit: they run in a child process, which is killed at the limit and replaced."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection

import msgspec

from heliostat.exceptions import ConfigurationError
from heliostat.queues.consuming.handlers import Failure, InProcess, load_function

PROGRAM = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from heliostat.queues.consuming.child import serve; serve(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))"
)
IMPORT_TIMEOUT = 60.0  # seconds
EXIT_TIMEOUT = 5.0  # seconds
DONE = b""


class InChild:
    """Calls the function at a path in a child process. A call takes `timeout` seconds at most."""

    def __init__(self, path: str, timeout: float) -> None:
        self._path, self._timeout = path, timeout
        self._start()

    def __call__(self, body: bytes) -> Failure | None:
        try:
            self._connection.send_bytes(body)
            if not self._connection.poll(self._timeout):
                self._replace()
                return Failure(f"the handler took longer than {self._timeout:g} s and was killed")
            answer = self._connection.recv_bytes()
        except (EOFError, OSError):
            code = self._end()
            self._start()
            return Failure(f"the process of the handler ended with {_exit(code)}")
        return None if answer == DONE else msgspec.json.decode(answer, type=Failure)

    def close(self) -> None:
        self._connection.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_TIMEOUT)
        self._end()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        command = [sys.executable, "-c", PROGRAM, json.dumps(sys.path), self._path]
        with theirs:
            passed = (theirs.fileno(), lifeline)
            self._process = subprocess.Popen(  # noqa: S603  our own program
                [*command, *map(str, passed)],
                pass_fds=passed,
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for the consumer, which lets the handler finish
            )
        os.close(lifeline)
        self._connection = Connection(ours.detach())
        problem = self._until_ready()
        if problem:
            self._end()
            raise ConfigurationError(problem)

    def _until_ready(self) -> str:
        if not self._connection.poll(IMPORT_TIMEOUT):
            return f"{self._path!r} was not imported within {IMPORT_TIMEOUT:g} s."
        try:
            return self._connection.recv_bytes().decode()
        except EOFError:
            return f"the process that imports {self._path!r} ended with {_exit(self._process.wait())}."

    def _replace(self) -> None:
        self._end()
        self._start()

    def _end(self) -> int:
        """Kill the child with every process that it started, and return its exit code."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(0.1)  # one that is ending by itself has its own code
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._connection.close()
        os.close(self._lifeline)
        return self._process.wait()


def _exit(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"the signal {signal.Signals(-code).name}"


def serve(path: str, channel: int, lifeline: int) -> None:
    """Serve as the child: import the function, then call it with one event after another until the consumer closes."""
    threading.Thread(target=_die_with, args=(lifeline,), daemon=True).start()
    with suppress(EOFError, OSError):  # the consumer is gone
        _answer(path, Connection(channel))


def _answer(path: str, connection: Connection) -> None:
    try:
        handler = InProcess(load_function(path))
    except ConfigurationError as error:
        connection.send_bytes(str(error).encode())
        return
    connection.send_bytes(DONE)
    try:
        while True:
            failure = handler(connection.recv_bytes())
            connection.send_bytes(msgspec.json.encode(failure) if failure else DONE)
    finally:
        handler.close()


def _die_with(lifeline: int) -> None:
    """End this session when the consumer is gone: another one handles the event that is in hand here."""
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)
