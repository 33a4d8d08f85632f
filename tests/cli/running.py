"""Run `heliostat` as a user does: as a process, in a folder, with what it prints kept in a file."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

HELIOSTAT = (sys.executable, "-m", "heliostat")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without what names a project or colours the output."""
    hidden = ("DJANGO_SETTINGS_MODULE", "HELIOSTAT_SITE_URL", "HELIOSTAT_SECRET_KEY", "HELIOSTAT_DEBUG", "NO_COLOR")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**kept, "PYTHONUNBUFFERED": "1", **(extra or {})}


def run(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end: `heliostat ...`, or `./manage.py ...`."""
    command = _command(arguments)
    return subprocess.run(
        command, cwd=cwd, env=environment(env), capture_output=True, text=True, timeout=timeout, check=False
    )


def _command(arguments: tuple[str, ...]) -> tuple[str, ...]:
    return arguments if arguments[:1] == (sys.executable,) else (*HELIOSTAT, *arguments)


def manage(*arguments: str, cwd: Path, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Run a management command as the documents do: ./manage.py ..."""
    return run(sys.executable, "manage.py", *arguments, cwd=cwd, timeout=timeout)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


class Running:
    """A command that goes on until it is stopped."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    @property
    def output(self) -> str:
        return self.log.read_text("utf-8")

    def wait_for(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """Wait until what it prints matches; fail with all of it when it does not."""
        patience = time.monotonic() + timeout
        while time.monotonic() < patience:
            ended = self.process.poll() is not None
            if match := re.search(pattern, self.output):
                return match
            if ended:
                break
            time.sleep(0.05)
        raise AssertionError(f"{pattern!r} was not printed (exit code {self.process.poll()}):\n{self.output}")

    def stop(self, number: int = signal.SIGTERM, timeout: float = 20) -> int:
        """Send a signal, and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout)


@contextmanager
def running(
    *arguments: str, cwd: Path, env: Mapping[str, str] | None = None, log: Path | None = None
) -> Iterator[Running]:
    """Start a command; at the end of the block it is gone, whatever happened."""
    log = log or cwd / f"{arguments[0]}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(arguments), cwd=cwd, env=environment(env), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield Running(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
