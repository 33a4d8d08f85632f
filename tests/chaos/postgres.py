"""A PostgreSQL of the test's own, that may be restarted and crashed: nobody else is on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

# A process that crashes loses nothing that the kernel has; only a machine that crashes would need fsync.
OPTIONS = "-c listen_addresses='' -c fsync=off -c max_connections=50"


def binaries() -> Path | None:
    """The folder of the newest `initdb` and `pg_ctl`."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    path = found[-1] if found else shutil.which("initdb")
    return Path(path).parent if path else None


class OwnServer:
    """In a temporary folder, on a socket there and on no port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.restarts = 0
        self._data = folder / "data"
        self._options = f"{OPTIONS} -c unix_socket_directories={folder}"

    @property
    def environment(self) -> dict[str, str]:
        return {"PGHOST": str(self.folder), "PGUSER": "postgres", "PGPASSWORD": ""}

    def start(self) -> None:
        self._do("initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync", str(self._data))
        self._control("start", "-o", self._options)

    def restart(self, mode: str) -> None:
        """`fast` ends every connection first; `immediate` is a crash, and recovery when it comes back."""
        self._control("restart", "-m", mode, "-o", self._options)
        self.restarts += 1

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")

    def execute(self, statement: str, *parameters: object) -> int:
        """How many rows a statement gave."""
        with psycopg.connect(
            host=str(self.folder), user="postgres", dbname="postgres", autocommit=True, connect_timeout=5
        ) as connection:
            return connection.execute(statement, parameters).rowcount  # type: ignore[arg-type]

    def kill_a_backend(self, database: str) -> int:
        """End one of the connections to this database, at random."""
        return self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = %s AND backend_type = 'client backend' ORDER BY random() LIMIT 1",
            database,
        )

    def _control(self, what: str, *arguments: str) -> None:
        self._do("pg_ctl", what, "-D", str(self._data), "-w", "-s", "-l", str(self.folder / "log"), *arguments)

    def _do(self, program: str, *arguments: str) -> None:
        folder = binaries()
        assert folder is not None
        # PostgreSQL refuses to be run by root.
        other = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [str(folder / program), *arguments],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=60,
            **other,  # type: ignore[call-overload]
        )


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """A fresh server, ended and removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="heliostat-pg-"))  # short: a socket's path may have 107 characters
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = OwnServer(folder)
    try:
        server.start()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)
