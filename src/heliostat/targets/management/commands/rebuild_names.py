from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db import router

from heliostat.commands import ExplainedCommand, things
from heliostat.targets.models import Target
from heliostat.targets.rebuilding import SharedNames, rebuild


class Command(ExplainedCommand):
    help = (
        "Rebuild the table of names of targets, after a program other than Django wrote targets or aliases. "
        "Exits with 1, and changes nothing, where two of them have one name."
    )
    example = """\
examples:
  manage.py rebuild_names
  manage.py rebuild_names --database archive
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--database", metavar="ALIAS", help="alias of the database; without it, that of targets")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            done = rebuild(options["database"] or router.db_for_write(Target))
        except SharedNames as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{things(done.written, 'name')} written, {things(done.removed, 'name')} removed")
