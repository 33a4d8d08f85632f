"""`manage.py eventtypes`: which events there are, for people and for programs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from heliostat.commands import ExplainedCommand
from heliostat.events.types import nearest
from heliostat.queues.asyncapi import document
from heliostat.queues.schema import event_types, schema_of


class Command(ExplainedCommand):
    help = (
        "List the event types of this project with their descriptions, or print the JSON Schema of their messages in "
        "queues, or an AsyncAPI document of these queues. Exits with 0; with 1 where no event type matches."
    )
    example = """\
examples:
  manage.py eventtypes
  manage.py eventtypes 'targets.*' --schema
  manage.py eventtypes --asyncapi > asyncapi.json
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("types", nargs="*", metavar="TYPE", help="only these, with * for any (targets.*)")
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--schema", action="store_true", help="print a JSON Schema of each event type")
        form.add_argument("--asyncapi", action="store_true", help="print an AsyncAPI 3 document, as JSON")

    def handle(self, *, types: list[str], schema: bool, asyncapi: bool, **_: Any) -> None:
        for pattern in types:
            if not event_types([pattern]):
                raise CommandError(f"No event type matches {pattern!r}.{nearest(pattern)}")
        found = event_types(types or ["*"])
        if schema or asyncapi:
            self.stdout.write(json.dumps(schema_of(found) if schema else document(found), indent=2))
            return
        width = max(map(len, found), default=0)
        for name, text in found.items():
            self.stdout.write(f"{name:<{width}}  {text}".rstrip())
