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
from ipaddress import ip_address
from typing import Any

from heliostat.cli import project
from heliostat.cli.limits import MIB, SlowClients, behind, options_of_waitress
from heliostat.cli.say import BOLD, RED, CommandFailed, complain, say, step
from heliostat.option_types import host_name, port_number, whole_number

HELP = "run the web server and the worker of a project"
EXAMPLE = """\
examples:
  heliostat serve                       http://127.0.0.1:8000
  heliostat serve --port 8080
  heliostat serve --no-worker           where `heliostat worker` runs elsewhere
  heliostat serve --proxy 127.0.0.1     behind a TLS server on this machine
"""
PATIENCE = 15.0  # seconds for what is in flight when it is stopped


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
        "--max-body", type=whole_number(1), metavar="MIB",
        help="largest request in MiB; the answer to a larger one is 413 (default: fits the largest data product)",
    )  # fmt: skip
    parser.add_argument(
        "--proxy", type=host_name, metavar="ADDRESS",
        help="address of the TLS server in front; its X-Forwarded-Proto, -Host and -For are believed (default: none)",
    )  # fmt: skip
    parser.add_argument(
        "--worker", action=argparse.BooleanOptionalAction, default=True, help="run a worker, too (default: yes)"
    )
    parser.add_argument(
        "--migrate", action=argparse.BooleanOptionalAction, default=True, help="apply migrations first (default: yes)"
    )


def run(options: argparse.Namespace) -> int:
    """Get the project ready and serve it until stopped."""
    listener = bind(options.host, options.port, "heliostat serve")
    os.environ.setdefault("HELIOSTAT_SITE_URL", address(listener))
    found = project.load()
    step(f"project {found.name} in {found.folder}")
    warn(listener, options.proxy)
    prepare(migrate=options.migrate)
    max_body = None if options.max_body is None else options.max_body * MIB
    site = Site(listener, threads=options.threads, worker=options.worker, max_body=max_body, proxy=options.proxy)
    return site.run(announce)


def warn(listener: socket.socket, proxy: str | None) -> None:
    """Say what is dangerous, or cannot work, about serving these settings at this address."""
    from django.conf import settings

    if settings.DEBUG and not ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback:
        complain(
            "heliostat: warning: DEBUG is on, and other machines can reach this site: its error pages show them "
            "settings and code. Set HELIOSTAT_DEBUG=0 (DEBUG = False in the settings), or serve on 127.0.0.1."
        )
    if settings.SECURE_SSL_REDIRECT and proxy is None:
        complain(
            "heliostat: warning: SECURE_SSL_REDIRECT is on, and this server speaks no TLS: every page redirects. Give "
            "--proxy the address of the TLS server in front, or set HELIOSTAT_HTTPS=0 to use plain HTTP."
        )


def bind(host: str, port: int, command: str) -> socket.socket:
    """Take the port at once, so that a port in use is reported before anything else happens."""
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
    """Return the address to open in a browser."""
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

    def __init__(
        self,
        listener: socket.socket,
        *,
        threads: int = 8,
        worker: bool = True,
        max_body: int | None = None,
        proxy: str | None = None,
    ) -> None:
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
            **options_of_waitress(max_body),
            **(behind(proxy) if proxy else {}),
        )
        self._slow = SlowClients()
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
            wasyncore.loop(timeout=1.0, use_poll=True, map=self._sockets, count=1)
            self._slow.close(list(self._server.active_channels.values()))
        self._finish(lambda: wasyncore.loop(timeout=0.05, use_poll=True, map=self._sockets, count=1))
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
