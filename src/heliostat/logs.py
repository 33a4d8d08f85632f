"""What Heliostat logs: loggers that write hidden characters out, and a formatter that gives JSON, one object a line.

Name the formatter in `LOGGING`, or start a worker with `--log-json`.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from heliostat.text import escape_record

LOGGERS = (
    "heliostat.alerts.fetching",
    "heliostat.dataproducts.hooks",
    "heliostat.delivery",
    "heliostat.events",
    "heliostat.hooks",
    "heliostat.listeners",
    "heliostat.listeners.log",
    "heliostat.observations.hooks",
    "heliostat.observations.views",
    "heliostat.outbox",
    "heliostat.queues",
    "heliostat.queues.librdkafka",
    "heliostat.targets.hooks",
    "heliostat.targets.substrings",
    "heliostat.webhooks",
)
"""The loggers that modules of Heliostat write to."""
PLAIN = (str, int, float, bool, type(None))
USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Format a log record as JSON: `time`, `level`, `logger`, `message`, the fields of `extra`, and `exception` if any.

    Only plain values of `extra` are included: any other object could contain anything.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: _plain(value) for name, value in vars(record).items() if name not in USUAL and _is_plain(value)}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line).replace("\x7f", "\\u007f")  # the one control character that JSON leaves as it is


def _is_plain(value: Any) -> bool:
    return isinstance(value, (*PLAIN, UUID, datetime))


def _plain(value: Any) -> Any:
    return value if isinstance(value, PLAIN) else str(value)


def escape_what_is_logged() -> None:
    """Let Heliostat's loggers write hidden characters out, whatever handlers a project has (see `heliostat.text`)."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(escape_record)


def log_as_json() -> None:
    """What Heliostat has to say, from level INFO on, goes to stderr as JSON alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("heliostat")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
