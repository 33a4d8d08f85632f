"""`manage.py worker`: keep the promises in the outbox."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from heliostat.conf import conf
from heliostat.delivery.management.outbox_command import OutboxCommand, whole_number
from heliostat.delivery.stopping import stopped_by_signals
from heliostat.delivery.worker import Worker


class Command(OutboxCommand):
    help = (
        "Tell durable subscribers (web hooks, durable code hooks and listeners) what happened. "
        "SIGTERM or Ctrl-C finishes what is in flight and ends."
    )
    example = """\
examples:
  manage.py worker --batch
  manage.py worker --concurrency 50 --health-file /run/heliostat.health
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--batch", action="store_true", help="tell all that is due, then exit")
        parser.add_argument(
            "--concurrency",
            type=whole_number(1),
            metavar="N",
            help="requests in flight at once; in this process it goes before HELIOSTAT_CONCURRENCY",
        )
        parser.add_argument(
            "--health-file",
            type=_writable,
            metavar="PATH",
            help="touched at least every 5 seconds while the worker is well, removed at the end",
        )

    def handle(
        self,
        *,
        batch: bool,
        database: str,
        verbosity: int,
        concurrency: int | None,
        health_file: Path | None,
        **_: Any,
    ) -> None:
        worker = Worker(database, health_file=health_file)
        self.say(f"Worker on database {database!r}: telling what is due. Ctrl-C ends it.", verbosity)
        with stopped_by_signals(worker), conf.override(**({"concurrency": concurrency} if concurrency else {})):
            if batch:
                worker.drain()
            else:
                worker.run()
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(worker.told.items())) or "nothing was due"
        self.say(self.style.SUCCESS(f"Worker ended: {told}."), verbosity)


def _writable(text: str) -> Path:
    path = Path(text)
    if not os.access(path if path.exists() else path.parent, os.W_OK) or path.is_dir():
        raise CommandError(f"the health file {text} cannot be written")
    return path
