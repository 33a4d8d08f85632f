"""`manage.py delete_old_callbacks`: the outbox keeps what is still to be done, and the recent past."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from heliostat.commands import things
from heliostat.delivery.management.outbox_command import OutboxCommand, ago
from heliostat.option_types import amount
from heliostat.outbox.retention import Rows, count_ended, delete_ended


class Command(OutboxCommand):
    help = (
        "Delete callbacks that were created more than DAYS days ago and came to an end (sent, given up or cancelled), "
        "with their attempts and the events that no callback needs any more. "
        "What is waiting or being sent is never deleted. Exits with 0, also where there is nothing to delete."
    )
    example = """\
examples:
  manage.py delete_old_callbacks 30
  manage.py delete_old_callbacks 30 --dry-run
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("days", type=amount, metavar="DAYS", help="keep what was created in the last DAYS days")
        parser.add_argument("--dry-run", action="store_true", help="only say how much would be deleted")

    def handle(self, *, days: float, database: str, dry_run: bool, verbosity: int, **_: Any) -> None:
        before = ago(days, "days")
        if dry_run:
            self.say(f"Would delete {_words(count_ended(before, database))}.", verbosity)
            return
        deleted = Rows()
        with self.progress(lambda: deleted.callbacks, lambda: count_ended(before, database).callbacks, verbosity):
            for rows in delete_ended(before, database):
                deleted += rows
        self.say(f"Deleted {_words(deleted)}.", verbosity, self.style.SUCCESS)


def _words(rows: Rows) -> str:
    return (
        f"{things(rows.callbacks, 'callback')}, {things(rows.attempts, 'attempt')} and {things(rows.events, 'event')}"
    )
