"""Show the queues that the project publishes to: length, groups, lag, pending, dead letters, and what waits for them.

With a URL, show one Redis stream, without a project. The lag of a group are the entries that it has not read; pending
are those that it read and has not finished. Dead letters are listed with --dead-letters, and given to their group
again with --replay; other groups do not get them.

Exits with 0; with 1 when a server cannot be reached or a queue is not valid, and with 2 on wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from heliostat.cli import project
from heliostat.cli.consume import URL
from heliostat.cli.say import BOLD, RED, CommandFailed, WrongUsage, say
from heliostat.exceptions import ConfigurationError

if TYPE_CHECKING:
    from heliostat.queues.consuming.status import GroupStatus, StreamStatus

HELP = "show queues: length, groups, lag, pending, dead letters"
EXAMPLE = """\
examples:
  heliostat queues                                          all of the project
  heliostat queues redis://127.0.0.1:6379/0 --json          a stream, where there is no project
  heliostat queues redis://127.0.0.1:6379/0 --group mail --dead-letters
  heliostat queues redis://127.0.0.1:6379/0 --group mail --replay
"""
COLUMNS = ("group", "lag", "pending", "dead letters", "trimmed", "consumers")


@dataclass
class Shown:
    """A queue as it is shown. `waiting` are events in the outbox that were not published yet; None: no project."""

    name: str
    kind: str
    place: str
    waiting: int | None = None
    problem: str = ""
    stream: StreamStatus | None = None


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "url", nargs="?", metavar="URL",
        help=f"redis://host:port/database (default: the queues of the project; without one, the environment's {URL})",
    )  # fmt: skip
    parser.add_argument("--stream", default="heliostat", help="the stream at the URL (default: %(default)s)")
    parser.add_argument("--group", help="the group whose dead letters are listed or replayed")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--dead-letters", action="store_true", help="list the dead letters of a group, oldest first")
    parser.add_argument(
        "--replay", nargs="*", metavar="ID", help="give dead letters to their group again: these, or all"
    )


def run(options: argparse.Namespace) -> int:
    """Show what is asked for."""
    if options.url is None and project.find() is None:
        options.url = os.environ.get(URL)
        if not options.url:
            raise WrongUsage(
                f"there is no project here. Give the URL of a Redis server, redis://127.0.0.1:6379/0, or set {URL}."
            )
    if options.dead_letters or options.replay is not None:
        return _dead_letters(options)
    shown = [_of_url(options.url, options.stream)] if options.url else list(_of_project())
    if options.json:
        say(json.dumps({"queues": [_flat(asdict(one)) for one in shown]}, indent=2))
    elif not shown:
        say("No queue is configured. See EVENT_LISTENERS and HELIOSTAT_QUEUES in the settings.")
    else:
        for one in shown:
            _print(one)
    return 1 if any(one.problem for one in shown) else 0


def _of_url(url: str, stream: str) -> Shown:
    from redis.exceptions import RedisError

    from heliostat.queues.consuming.connection import connect, place_of
    from heliostat.queues.consuming.status import stream_status

    try:
        client = connect(url)
    except ConfigurationError as error:
        raise WrongUsage(str(error)) from error
    shown = Shown(stream, "redis", place_of(url))
    try:
        shown.stream = stream_status(client, stream)
    except RedisError as error:
        shown.problem = " ".join(str(error).split())
    return shown


def _of_project() -> Iterator[Shown]:
    project.load()
    from heliostat.queues.overview import queues_of_project, waiting_in_outbox

    waiting = waiting_in_outbox()
    for name, queue, problem in queues_of_project():
        if queue is None:
            shown = Shown(name, "", "", problem=problem)
        elif not getattr(queue, "is_list", True):
            shown = _of_url(queue.url, queue.name)  # type: ignore[attr-defined]
            shown.name = name
        else:
            shown = Shown(name, type(queue).__module__.rpartition(".")[2], str(queue))
        shown.waiting = sum(waiting[one] for one in _subscribers(name))
        yield shown


def _flat(shown: dict[str, Any]) -> dict[str, Any]:
    return shown | (shown.pop("stream") or {})


def _subscribers(name: str) -> list[str]:
    """Return the subscribers that are published to a queue: a section's own, or the hooks whose target it is."""
    from django.apps import apps

    if not name.startswith("queue:"):
        return [f"queue:{name}"]
    if not apps.is_installed("heliostat.webhooks"):
        return []
    from heliostat.webhooks.models import Hook

    return [one.subscriber for one in Hook.objects.filter(target_url=name)]


def _print(shown: Shown) -> None:
    waiting = "" if shown.waiting is None else f", {shown.waiting:,} in the outbox wait for it"
    say(f"{shown.name}: {' '.join(filter(None, (shown.kind, shown.place)))}{waiting}", BOLD)
    if shown.problem:
        say(f"  cannot be used: {shown.problem}", RED)
    if shown.stream is not None:
        _print_stream(shown.stream)


def _print_stream(status: StreamStatus) -> None:
    say(f"  stream {status.stream}: {status.length:,} entries of {status.added:,} that were added")
    if not status.groups:
        say("  no group: nobody consumes it")
        return
    rows = [COLUMNS, *map(_row, status.groups)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for name, *numbers in rows:
        say("  " + "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])]))


def _row(group: GroupStatus) -> tuple[str, ...]:
    trimmed = group.trimmed_before_read + group.trimmed_while_pending
    numbers = (group.pending, group.dead_letters, trimmed, len(group.consumers))
    return (group.name, "?" if group.lag is None else f"{group.lag:,}", *(f"{number:,}" for number in numbers))


def _dead_letters(options: argparse.Namespace) -> int:
    from redis.exceptions import RedisError

    from heliostat.queues.consuming.connection import connect
    from heliostat.queues.consuming.dead_letters import dead_letters, replay

    if not options.url or not options.group:
        raise WrongUsage("--dead-letters and --replay need the URL of the server and --group.")
    try:
        client = connect(options.url)
        if options.replay is not None:
            replayed, left = replay(client, options.stream, options.group, options.replay)
            say(f"{replayed:,} replayed" + (f"; {left:,} left, which are no events" if left else ""))
            return 0
        for one in dead_letters(client, options.stream, options.group):
            say(
                json.dumps(asdict(one))
                if options.json
                else f"{one.id}  {one.deliveries} deliveries  {one.reason}\n  {one.event}"
            )
    except (ConfigurationError, RedisError) as error:
        raise CommandFailed(str(error)) from error
    return 0
