"""Run the project: its web server and its worker, in one process.

Ctrl-C or SIGTERM stop both, after what is in flight is finished.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from io import StringIO
from typing import Any

from heliostat.cli import project
from heliostat.cli.say import BOLD, RED, CommandFailed, complain, say, step
from heliostat.commands import host_name, port_number, whole_number

HELP = "run the web server and the worker of a project"
EXAMPLE = """\
examples:
  heliostat serve                       http://127.0.0.1:8000
  heliostat serve --port 8080
  heliostat serve --no-worker           where `heliostat worker` runs elsewhere
"""
PATIENCE = 15.0  # seconds for what is in flight when we are told to stop


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--host",
        type=host_name,
        default="127.0.0.1",
        help="default: 127.0.0.1; 0.0.0.0: reachable from elsewhere (see ALLOWED_HOSTS)",
    )
    parser.add_argument("--port", type=port_number, default=8000, help="0: any free port (default: 8000)")
    parser.add_argument("--threads", type=whole_number(1), default=8, help="requests at the same time (default: 8)")
    parser.add_argument(
        "--worker", action=argparse.BooleanOptionalAction, default=True, help="run a worker, too (default: yes)"
    )
    parser.add_argument(
        "--migrate", action=argparse.BooleanOptionalAction, default=True, help="apply migrations first (default: yes)"
    )


def run(options: argparse.Namespace) -> int:
    """Get the project ready and serve it until told to stop."""
    listener = bind(options.host, options.port, "heliostat serve")
    os.environ.setdefault("HELIOSTAT_SITE_URL", address(listener))
    found = project.load()
    step(f"project {found.name} in {found.folder}")
    prepare(migrate=options.migrate)
    site = Site(listener, threads=options.threads, worker=options.worker)
    return site.run(announce)


def bind(host: str, port: int, command: str) -> socket.socket:
    """Take the port at once, so that a port in use is told before anything else happens."""
    try:
        return socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=256
        )
    except OSError as error:
        other = f"Stop what uses it, or choose another port: {command} --port {port + 1}"
        raise CommandFailed(
            f"cannot serve on {host}:{port}: {error.strerror}. "
            f"{other if error.errno == errno.EADDRINUSE else 'Choose another --host or --port.'}"
        ) from error


def address(listener: socket.socket) -> str:
    """The address to open in a browser."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - not bound here: what is bound is named
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def prepare(*, migrate: bool) -> None:
    """Check the project and apply its migrations."""
    from django.core.management import CommandError, call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    try:
        call_command("check", stdout=StringIO())  # warnings go to stderr all the same
    except CommandError as error:
        raise CommandFailed(str(error)) from error
    step("checks passed")
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    if missing and migrate:
        call_command("migrate", interactive=False, verbosity=0)
        step(f"{missing} migrations applied")
    elif missing:
        step(f"{missing} migrations are not applied: heliostat migrate", RED)


def announce(site: Site) -> None:
    """Say where to go."""
    from django.contrib.auth import get_user_model
    from django.db import Error

    step("worker running" if site.worker else "no worker here: durable work waits for `heliostat worker`")
    try:
        if not get_user_model()._default_manager.exists():
            say("          Nobody can log in yet: heliostat createsuperuser")
    except Error:
        pass  # not migrated, which has been said
    say(f"\n  {site.address}/         the TOM\n  {site.address}/admin/   the admin\n", BOLD)
    say("Stop with Ctrl-C.")


class Site:
    """A web server in this thread and a worker in another one."""

    def __init__(self, listener: socket.socket, *, threads: int = 8, worker: bool = True) -> None:
        from django.core.servers.basehttp import get_internal_wsgi_application
        from waitress import create_server

        self.address = address(listener)
        self._sockets: dict[int, Any] = {}
        self._server = create_server(
            get_internal_wsgi_application(),
            map=self._sockets,
            sockets=[listener],
            threads=threads,
            ident="heliostat",
        )
        self._stopping = False
        self._failed = False
        self.worker: Any = None
        if worker:
            from heliostat.delivery.worker import Worker

            self.worker = Worker()
            self._thread = threading.Thread(target=self._work, name="worker")

    def run(self, ready: Callable[[Site], None] | None = None, *, signals: bool = True) -> int:
        """Serve until stopped; give the exit code."""
        if signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self.stop())
        if self.worker:
            self._thread.start()
        if ready:
            ready(self)
        from waitress import wasyncore

        while not self._stopping:
            wasyncore.loop(timeout=1.0, map=self._sockets, count=1)
        self._finish(lambda: wasyncore.loop(timeout=0.05, map=self._sockets, count=1))
        return 1 if self._failed else 0

    def stop(self) -> None:
        """Stop serving and working; from any thread or signal handler."""
        self._stopping = True
        self._server.pull_trigger()

    def _work(self) -> None:
        try:
            self.worker.run()
        except Exception as error:
            complain(f"heliostat: the worker stopped: {type(error).__name__}: {error}")
            self._failed = True
            self.stop()

    def _finish(self, turn: Callable[[], None]) -> None:
        """Take no new requests, answer those that are here, let the worker finish."""
        step("stopping")
        if self.worker:
            self.worker.stop()
        self._server.del_channel(self._sockets)
        self._server.socket.close()
        patience = time.monotonic() + PATIENCE
        while self._busy() and time.monotonic() < patience:
            turn()
        self._server.task_dispatcher.shutdown(timeout=1)
        if self.worker:
            self._thread.join(PATIENCE)
            if self._thread.is_alive():
                complain("heliostat: the worker did not finish in time; what it was sending is sent again")
                os._exit(1)
        step("stopped")

    def _busy(self) -> bool:
        channels = list(self._server.active_channels.values())
        return any(channel.requests or channel.total_outbufs_len for channel in channels)
