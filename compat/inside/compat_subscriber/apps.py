from __future__ import annotations

import atexit
import logging
import traceback

import record
from django.apps import AppConfig


class CompatSubscriberConfig(AppConfig):
    """Three subscribers of everything, one in each phase (`hooks.py`), and what Heliostat logs meanwhile."""

    name = "compat_subscriber"

    def ready(self) -> None:
        logging.getLogger("heliostat").addHandler(ERRORS)


class ErrorsToRecord(logging.Handler):
    """Record what Heliostat logs as an error: it stopped no test, and may be a fault all the same."""

    def emit(self, entry: logging.LogRecord) -> None:
        error = traceback.format_exception_only(entry.exc_info[1])[-1].strip() if entry.exc_info else None
        record.line(logged=entry.getMessage(), error=error)


ERRORS = ErrorsToRecord(logging.ERROR)


def report() -> None:
    from compat_subscriber.hooks import published, types

    record.line(published=dict(published), types=dict(types))


atexit.register(report)  # not in `ready`, which runs again where a test changes INSTALLED_APPS
