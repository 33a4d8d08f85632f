"""Logs as JSON, one object a line. Name the formatter in `LOGGING`, or start a worker with `--log-json`."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

PLAIN = (str, int, float, bool, type(None))
USUAL = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `logger`, `message`, what the message is about (`extra`), and `exception` where there is one.

    Only plain values of `extra` are written: an object that was passed along may hold anything.
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
        return json.dumps(line)


def _is_plain(value: Any) -> bool:
    return isinstance(value, (*PLAIN, UUID, datetime))


def _plain(value: Any) -> Any:
    return value if isinstance(value, PLAIN) else str(value)


def log_as_json() -> None:
    """What Heliostat has to say, from level INFO on, goes to stderr as JSON alone."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("heliostat")
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
