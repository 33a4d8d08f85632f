"""`manage.py resend_callbacks`: after a receiver's bad night, all that it missed."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from heliostat.commands import things
from heliostat.delivery.management.outbox_command import OutboxCommand, ago
from heliostat.option_types import amount, point_in_time, whole_number
from heliostat.outbox.models import Status
from heliostat.outbox.resending import failed_since, resend_all
from heliostat.outbox.transitions import ENDED


class Command(OutboxCommand):
    help = (
        "Send all callbacks again that were given up since a time, with the same ids and bodies: they wait for a "
        "worker again. Prints their number, and asks before it does so. "
        "Exits with 0 when that is done, and with 1 where you said no."
    )
    example = """\
examples:
  manage.py resend_callbacks --minutes_ago 90 --dry-run
  manage.py resend_callbacks --since 2026-11-21T06:00 --hook_id 3
  manage.py resend_callbacks --minutes_ago 90 --status cancelled --yes
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        since = parser.add_mutually_exclusive_group(required=True)
        since.add_argument(
            "--since",
            type=point_in_time,
            metavar="TIME",
            help="ISO time since when; in the site's time zone if it names none",
        )
        since.add_argument(
            "--minutes_ago", type=amount, metavar="MINUTES", help="the time since when, in minutes before now"
        )
        parser.add_argument("--hook_id", type=whole_number(1), metavar="ID", help="only callbacks of this hook")
        parser.add_argument(
            "--status",
            choices=[one.value for one in ENDED],
            default="error",
            help="status of the callbacks (default: error)",
        )
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--yes", action="store_true", help="do not ask")
        how.add_argument("--dry-run", action="store_true", help="only count the callbacks")

    def handle(self, *, hook_id: int | None, status: str, database: str, verbosity: int, **options: Any) -> None:
        subscriber = f"hook:{hook_id}" if hook_id else ""
        since, ended = options["since"] or ago(options["minutes_ago"], "minutes"), Status(status)
        count = failed_since(subscriber, since, database, status=ended)
        if options["dry_run"] or not count:
            self.say(f"Would send {things(count, 'callback')} again.", verbosity)
            return
        if not options["yes"]:
            if not sys.stdin.isatty():
                raise CommandError("There is nobody to ask here: say --yes, or --dry-run.")
            if input(f"Send {things(count, 'callback')} again? [y/N] ").strip().lower() not in ("y", "yes"):
                sys.exit(1)
        done = 0

        def so_far(number: int) -> None:
            nonlocal done
            done = number

        with self.progress(lambda: done, lambda: count, verbosity):
            resend_all(subscriber, since, database, status=ended, done=so_far)
        self.say(f"{things(done, 'callback')} will be sent again.", verbosity, self.style.SUCCESS)
