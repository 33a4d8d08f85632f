"""`manage.py send_callbacks`: send what waits here and now, and say by the exit status whether all arrived."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentParser
from collections import Counter
from typing import Any

from heliostat.commands import things, whole_number
from heliostat.delivery.management.outbox_command import OutboxCommand
from heliostat.delivery.sending import Mentioned, Waiting
from heliostat.delivery.stopping import stopped_by_signals


class Command(OutboxCommand):
    help = (
        "Send all callbacks that are waiting, without regard to when their next attempt is due; or those of one hook; "
        "or only the mentioned ones, which are sent again where they came to an end already. What is being sent is "
        "left alone; what fails goes on waiting for its next attempt. "
        "Exits with 0 when all were sent, and with 1 otherwise."
    )
    example = """\
examples:
  manage.py send_callbacks
  manage.py send_callbacks --hook_id 3
  manage.py send_callbacks --callback 17 18 21
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--hook_id", type=whole_number(1), metavar="ID", help="only callbacks of this hook")
        which.add_argument(
            "--callback", type=whole_number(1), nargs="+", metavar="ID", help="only these callbacks, in whatever state"
        )
        which.add_argument("--callbacks", dest="callback", type=whole_number(1), nargs="+", help=SUPPRESS)

    def handle(
        self, *, hook_id: int | None, callback: list[int] | None, database: str, verbosity: int, **_: Any
    ) -> None:
        subscriber = f"hook:{hook_id}" if hook_id else ""
        sending = Mentioned(callback, database) if callback else Waiting(subscriber, database)
        worker = sending.worker
        with (
            stopped_by_signals(worker) as signals,
            self.progress(worker.told.total, sending.count, verbosity),
        ):
            told = sending.send()
        well = set(told) <= {"sent"} and not signals
        style = self.style.SUCCESS if well else self.style.ERROR
        self.say(_words(told) + (" Stopped before the end." if signals else ""), verbosity, style)
        if not well:
            sys.exit(1)


def _words(told: Counter[str]) -> str:
    words = ", ".join(f"{count:,} {what}" for what, count in sorted(told.items(), reverse=True))
    return f"{things(told.total(), 'callback')}: {words}." if words else "Nothing waits."
