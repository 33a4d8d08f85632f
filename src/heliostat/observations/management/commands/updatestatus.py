from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from heliostat.commands import ExplainedCommand
from heliostat.observations.updating import Update, open_observations, unknown_facility, update_status
from heliostat.text import escape


class Command(ExplainedCommand):
    help = (
        "Ask each facility about its observations that are not over yet, and save what changed. "
        "Exits with 1 if any facility or observation failed; the others are updated all the same."
    )
    example = """\
examples:
  manage.py updatestatus
  manage.py updatestatus --facility Simulated
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--facility", help="only the observations of this facility")

    def handle(self, *_args: Any, **options: Any) -> None:
        if (problem := unknown_facility(options["facility"])) is not None:
            raise CommandError(problem)
        asked = changed = skipped = failed = 0
        for observation in open_observations():
            if options["facility"] not in (None, observation.facility):
                continue
            update = update_status(observation)
            asked += 1
            changed += update.is_changed
            skipped += update.is_skipped
            failed += bool(update.problem) and not update.is_skipped
            self._report(update, int(options["verbosity"]))
        if options["verbosity"]:
            self.stdout.write(f"{asked} asked, {changed} changed, {skipped} skipped, {failed} failed")
        if failed:
            sys.exit(1)

    def _report(self, update: Update, verbosity: int) -> None:
        label = escape(f"{update.observation} ({update.observation.observation_id})")
        if update.is_skipped and verbosity:
            self.stdout.write(f"{label}: skipped. {escape(update.problem)}")
        elif update.problem and not update.is_skipped:
            self.stderr.write(f"{label}: failed. {escape(update.problem)}")
        elif update.is_changed and verbosity:
            self.stdout.write(f"{label}: {update.previous_status} -> {update.observation.status}")
        elif verbosity > 1:
            self.stdout.write(f"{label}: still {update.observation.status}")
