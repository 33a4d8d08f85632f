"""`manage.py worker`: deliver the callbacks in the outbox."""

from __future__ import annotations

from argparse import ArgumentParser
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from heliostat.conf import conf
from heliostat.delivery.attempts import Metrics
from heliostat.delivery.health import HealthServer
from heliostat.delivery.management.outbox_command import OutboxCommand, stopped_by_signals
from heliostat.delivery.worker import Worker
from heliostat.logs import log_as_json
from heliostat.option_types import host_name, port_number, whole_number, writable_file


class Command(OutboxCommand):
    help = (
        "Deliver events to durable subscribers (webhooks, durable code hooks and listeners). "
        "SIGTERM or Ctrl-C finishes what is in flight and ends. "
        "Exits with 0 then, whatever became of the callbacks, and with 1 where it cannot begin."
    )
    example = """\
examples:
  manage.py worker --batch
  manage.py worker --concurrency 50 --health-file /run/heliostat.health
  manage.py worker --health-port 8001 --log-json
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--batch", action="store_true", help="deliver all that is due, then exit")
        parser.add_argument(
            "--concurrency",
            type=whole_number(1),
            metavar="N",
            help="requests in flight at once; overrides HELIOSTAT_CONCURRENCY in this process",
        )
        parser.add_argument(
            "--health-file",
            type=writable_file,
            metavar="PATH",
            help="file that the worker touches at least every 5 seconds, and removes at the end",
        )
        parser.add_argument(
            "--health-port",
            type=port_number,
            metavar="PORT",
            help="port of /healthz and /metrics (Prometheus); 0: any free port",
        )
        parser.add_argument(
            "--health-host",
            type=host_name,
            default="127.0.0.1",
            metavar="HOST",
            help="address of --health-port (default: %(default)s)",
        )
        parser.add_argument("--log-json", action="store_true", help="log to stderr as JSON, one object a line")

    def handle(
        self,
        *,
        batch: bool,
        database: str,
        verbosity: int,
        concurrency: int | None,
        health_file: Path | None,
        health_port: int | None,
        health_host: str,
        log_json: bool,
        **_: Any,
    ) -> None:
        if log_json:
            log_as_json()
        worker = Worker(database, health_file=health_file)
        with ExitStack() as stack:
            stack.enter_context(stopped_by_signals(worker))
            stack.enter_context(conf.override(**({"concurrency": concurrency} if concurrency else {})))
            if health_port is not None:
                worker.metrics = Metrics()
                try:
                    server = stack.enter_context(HealthServer(worker, health_host, health_port))
                except OSError as error:
                    problem = f"cannot answer at {health_host}:{health_port}: {error.strerror}"
                    raise CommandError(f"{problem}. Choose another --health-port or --health-host.") from error
                self.say(f"Health: {server.url}/healthz, {server.url}/metrics", verbosity)
            self.say(f"Worker on database {database!r}: delivering what is due. Ctrl-C ends it.", verbosity)
            (worker.drain if batch else worker.run)()
        counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(worker.outcomes.items()))
        self.say(f"Worker ended: {counts or 'nothing was due'}.", verbosity, self.style.SUCCESS)
