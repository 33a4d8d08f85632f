"""`manage.py send_callbacks`: send what waits here and now, and say by the exit status whether all arrived."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentParser
from typing import Any

from heliostat.commands import things
from heliostat.delivery.management.outbox_command import OutboxCommand, stopped_by_signals
from heliostat.delivery.send_now import send_mentioned, send_waiting
from heliostat.delivery.worker import Worker
from heliostat.option_types import whole_number
from heliostat.outbox.backlog import by_subscriber
from heliostat.outbox.models import Status


class Command(OutboxCommand):
    help = (
        "Send all callbacks that are waiting, without regard to when their next attempt is due; or those of one hook; "
        "or only the mentioned ones, which are sent again if they have ended. Callbacks that another worker is sending "
        "are not sent twice; those that fail wait for their next attempt. "
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
        ids, subscribers = sorted(set(callback or ())), [f"hook:{hook_id}"] if hook_id else None
        worker = Worker(database, subscribers=subscribers, callbacks=ids or None)

        def count() -> int:
            found = by_subscriber(Status.WAITING, database)
            return len(ids) or sum(one.callbacks for one in found if not subscribers or one.subscriber in subscribers)

        with stopped_by_signals(worker) as signals, self.progress(worker.outcomes.total, count, verbosity):
            words = send_mentioned(ids, worker) if ids else send_waiting(subscribers, worker)
        is_sent = set(words) <= {"sent"} and not signals
        style = self.style.SUCCESS if is_sent else self.style.ERROR
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(words.items(), reverse=True))
        said = f"{things(words.total(), 'callback')}: {counts}." if counts else "Nothing waits."
        self.say(said + (" Stopped before the end." if signals else ""), verbosity, style)
        if not is_sent:
            sys.exit(1)
