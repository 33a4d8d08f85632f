"""Consume a Redis stream: call a function with each event, as one consumer of a group.

An exception is a failure. A failed event is retried after 1, 2, 4 ... seconds; after the last delivery it is kept in
the stream of dead letters, STREAM:dead:GROUP. Start more consumers of a group to share its events; each group gets
all events. An event can arrive twice, with the same id. The current directory is importable, and nothing needs Django.

SIGTERM and Ctrl-C end it after the event in hand; a second one ends it at once.
Exits with 0 when it was stopped or --exit-when-idle came true; 1 when the function cannot be imported, or Redis refuses
or cannot be reached for 15 seconds in the beginning; 2 on wrong usage. Later, it waits for Redis as long as it takes.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from types import FrameType

from heliostat.cli.say import CommandFailed, WrongUsage, aside
from heliostat.exceptions import ConfigurationError
from heliostat.logs import log_as_json
from heliostat.option_types import amount, positive, whole_number
from heliostat.text import escape_record

HELP = "call a function with each event of a Redis stream"
EXAMPLE = """\
examples:
  heliostat consume redis://127.0.0.1:6379/0 --stream heliostat --group mail --call mailing.send
  heliostat consume --group mail --call mailing.send            where HELIOSTAT_QUEUE_URL is set
  heliostat consume redis://127.0.0.1/0 --group mail --call mailing.send --handler-timeout 30
  heliostat consume redis://127.0.0.1/0 --group mail --call mailing.send --exit-when-idle 5     for cron
"""
URL = "HELIOSTAT_QUEUE_URL"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_url(parser)
    parser.add_argument("--stream", default="heliostat", help="name of the stream (default: %(default)s)")
    parser.add_argument("--group", required=True, help="name of the consumer group; created where it is missing")
    parser.add_argument(
        "--call", required=True, metavar="MODULE.FUNCTION", help="path of the function that gets each event, a dict"
    )
    parser.add_argument(
        "--batch", type=whole_number(1), default=100, metavar="N", help="read so many at once (default: %(default)s)"
    )
    parser.add_argument(
        "--max-deliveries", type=whole_number(1), default=5, metavar="N",
        help="deliveries of an event before it becomes a dead letter (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--max-dead-letters", type=whole_number(0), default=100_000, metavar="N",
        help="about so many dead letters are kept, the newest; 0: all (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--handler-timeout", type=positive, metavar="SECONDS",
        help="run the function in a child process, and kill that when a call takes longer (default: no limit)",
    )  # fmt: skip
    parser.add_argument(
        "--exit-when-idle", type=amount, metavar="SECONDS",
        help="exit after so long with nothing delivered and nothing pending in the group (default: never)",
    )  # fmt: skip
    parser.add_argument(
        "--lease", type=positive, default=10.0, metavar="SECONDS",
        help="time after which others take the events of a consumer that died; the same for all of a group "
        "(default: 10)",
    )  # fmt: skip
    parser.add_argument(
        "--from", dest="begin", choices=["beginning", "new"], default="beginning",
        help="where a group that is created begins: with all entries, or only those to come (default: beginning)",
    )  # fmt: skip
    parser.add_argument("--consumer", default="", metavar="NAME", help="name of this consumer (default: a unique one)")
    parser.add_argument("--log-json", action="store_true", help="log as JSON, one object a line")


def add_url(parser: argparse.ArgumentParser) -> None:
    """Declare where the server is."""
    parser.add_argument(
        "url", nargs="?", default=os.environ.get(URL, ""), metavar="URL",
        help=f"redis://[user:password@]host:port/database, rediss:// or unix:// (default: the environment's {URL})",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Consume until stopped."""
    if not options.url:
        raise WrongUsage(f"where is Redis? Give its URL, redis://127.0.0.1:6379/0, or set {URL}.")
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    _log(options)
    try:
        from redis.exceptions import RedisError

        from heliostat.queues.consuming.connection import place_of
        from heliostat.queues.consuming.consumer import Consumer

        consumer = Consumer(
            options.url,
            stream=options.stream,
            group=options.group,
            call=options.call,
            batch=options.batch,
            lease=options.lease,
            max_deliveries=options.max_deliveries,
            max_dead_letters=options.max_dead_letters,
            handler_timeout=options.handler_timeout,
            exit_when_idle=options.exit_when_idle,
            begin=options.begin,
            name=options.consumer,
        )
    except ConfigurationError as error:
        raise CommandFailed(str(error)) from error

    def stop(number: int, _: FrameType | None) -> None:
        consumer.stop()
        signal.signal(number, signal.SIG_DFL)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        counts = consumer.run()
    except ConfigurationError as error:
        raise CommandFailed(str(error)) from error
    except RedisError as error:
        raise CommandFailed(
            f"cannot consume the stream {options.stream} at {place_of(options.url)}: {str(error).rstrip('.')}. Check "
            "that Redis runs there, and what the URL says."
        ) from error
    aside(f"stopped: {counts}")
    return 0


def _log(options: argparse.Namespace) -> None:
    """Log what the consumer and its function log to stderr, a line each, with hidden characters written out."""
    if options.log_json:
        log_as_json()
    else:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for handler in [*logging.getLogger().handlers, *logging.getLogger("heliostat").handlers]:
        handler.addFilter(escape_record)
    if options.traceback:
        logging.getLogger("heliostat").setLevel(logging.DEBUG)
