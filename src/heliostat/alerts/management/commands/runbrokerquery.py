from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from heliostat.alerts.alerts import BrokerError, GenericAlert
from heliostat.alerts.ingest import ingest
from heliostat.alerts.models import BrokerQuery
from heliostat.alerts.runs import fetch_for
from heliostat.commands import ExplainedCommand
from heliostat.exceptions import Refused
from heliostat.objects import find_object
from heliostat.text import escape


class Command(ExplainedCommand):
    help = (
        "Run a stored query and print its alerts; make targets of them if asked to. "
        "Exits with 1 if the query is not found, the broker failed, or a target was not made."
    )
    example = """\
examples:
  manage.py runbrokerquery "Bright supernovae"
  manage.py runbrokerquery 3 --create-targets
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query", metavar="NAME_OR_ID", help="name or id of a stored query; an id wins")
        parser.add_argument("--create-targets", action="store_true", help="make a target of each alert")

    def handle(self, *_args: Any, **options: Any) -> None:
        query = _find(options["query"])
        fetched = fetch_for(query)
        failed = 0
        for row in fetched.rows:
            if row.alert is None:
                failed += 1
                self.stderr.write(f"an alert cannot be used: {escape(row.problem)}")
            elif not options["create_targets"]:
                self.stdout.write(escape(_line(row.alert)))
            else:
                failed += not self._ingest(row.alert, query)
        self.stdout.write(escape(f"{query}: {len(fetched.rows)} alerts of {query.broker}, {failed} failed"))
        if fetched.problem or failed:
            raise CommandError(fetched.problem or f"{failed} alerts failed")

    def _ingest(self, alert: GenericAlert, query: BrokerQuery) -> bool:
        try:
            made = ingest(alert, query.broker, query.user)
        except (BrokerError, Refused) as error:
            self.stderr.write(escape(f"{alert.name}: {error}"))
            return False
        there = f"is there already as {made.target}, recognised by {made.duplicate_by}"
        self.stdout.write(escape(f"{alert.name}: {there if made.duplicate_by else 'target created'}"))
        return True


def _find(name_or_id: str) -> BrokerQuery:
    if query := find_object(BrokerQuery.objects.all(), name_or_id):
        return query
    found = list(BrokerQuery.objects.filter(name=name_or_id).select_related("user"))
    if not found:
        names = ", ".join(BrokerQuery.objects.values_list("name", flat=True)[:20]) or "none"
        raise CommandError(f"There is no query {name_or_id!r}. Stored queries: {names}")
    if len(found) > 1:
        ids = ", ".join(f"{query.pk} ({query.user})" for query in found)
        raise CommandError(f"Several queries are called {name_or_id!r}; give an id: {ids}")
    return found[0]


def _line(alert: GenericAlert) -> str:
    position = f"{alert.ra:.5f} {alert.dec:+.5f}" if alert.ra is not None and alert.dec is not None else "no position"
    return f"{alert.name}  {alert.timestamp}  {position}"
