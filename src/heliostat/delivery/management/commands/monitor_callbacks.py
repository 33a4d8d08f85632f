"""`manage.py monitor_callbacks`: for whatever watches the site; says by its exit status whether too much went wrong."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from heliostat.commands import things
from heliostat.delivery.management.outbox_command import OutboxCommand, ago
from heliostat.option_types import amount, whole_number
from heliostat.outbox.backlog import OfSubscriber, by_subscriber
from heliostat.outbox.models import Status

STATUSES = (Status.ERROR.value, Status.WAITING.value)


class Command(OutboxCommand):
    help = (
        "Count the callbacks that were given up or are waiting, by subscriber. "
        "Exits with 1 when there are more than the limit, and with 0 otherwise."
    )
    example = """\
examples:
  manage.py monitor_callbacks --status error --callbacks_limit 50 --minutes_ago 10
  manage.py monitor_callbacks --status waiting --json
"""

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--status", required=True, choices=STATUSES, help="status to count: error (given up) or waiting"
        )
        parser.add_argument(
            "--callbacks_limit",
            type=whole_number(0),
            default=10,
            metavar="N",
            help="exit with 1 if there are more than N (default: 10)",
        )
        parser.add_argument(
            "--minutes_ago",
            type=amount,
            metavar="MINUTES",
            help="only callbacks that were created or last tried since then (default: all)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(
        self,
        *,
        status: str,
        callbacks_limit: int,
        minutes_ago: float | None,
        json: bool,
        database: str,
        verbosity: int,
        **_: Any,
    ) -> None:
        since = None if minutes_ago is None else ago(minutes_ago, "minutes")
        found = by_subscriber(Status(status), database, since)
        count = sum(one.callbacks for one in found)
        is_exceeded = count > callbacks_limit
        if json:
            facts = {"status": status, "minutes_ago": minutes_ago, "callbacks_limit": callbacks_limit}
            self.stdout.write(_as_json({**facts, "callbacks": count, "exceeded": is_exceeded}, found))
        else:
            within = "" if minutes_ago is None else f" in the last {minutes_ago:g} minutes"
            verdict = f"{'more than' if is_exceeded else 'within'} the limit of {callbacks_limit:,}"
            self.say(f"{things(count, 'callback')} with status {status!r}{within}; that is {verdict}.", verbosity)
            for one in found:
                oldest = f"{one.oldest:%Y-%m-%d %H:%M:%S}"
                self.say(f"{one.callbacks:>10,}  {one.subscriber}  (oldest: {oldest})", verbosity)
        if is_exceeded:
            sys.exit(1)


def _as_json(facts: dict[str, Any], found: list[OfSubscriber]) -> str:
    subscribers = [
        {"subscriber": one.subscriber, "callbacks": one.callbacks, "oldest": one.oldest.isoformat()} for one in found
    ]
    return json.dumps({**facts, "subscribers": subscribers}, indent=2)
