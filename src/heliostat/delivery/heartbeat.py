"""A worker says that it lives: to the pages by a row, to a supervisor by a file."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from pathlib import Path

from django.utils import timezone

from heliostat.outbox.dialect import moment
from heliostat.outbox.models import WorkerSeen

logger = logging.getLogger("heliostat.delivery")

FORGOTTEN = 24 * 3600.0  # seconds


class Heartbeat:
    """One row for a living worker, and a file touched at each beat where one is wanted; both gone when it ends."""

    def __init__(self, using: str, health_file: Path | None = None) -> None:
        self._using = using
        self._rows = WorkerSeen.objects.using(using)
        self._name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(3)}"
        self._started_at = timezone.now()
        self._health_file = health_file

    def beat(self) -> None:
        now = moment(self._using)  # by the clock that whoever looks for us goes by, too
        if not self._rows.filter(name=self._name).update(seen_at=now):
            self._rows.filter(seen_at__lt=moment(self._using, -FORGOTTEN)).delete()  # who could not say good-bye
            self._rows.create(name=self._name, started_at=self._started_at, seen_at=now)
        self._touch()  # last: without its database a worker is not well

    def end(self) -> None:
        try:
            self._rows.filter(name=self._name).delete()
        finally:
            if self._health_file:
                self._health_file.unlink(missing_ok=True)

    def _touch(self) -> None:
        try:
            if self._health_file:
                self._health_file.touch()
        except OSError as error:  # whoever watches the file sees that it grows old; deliveries go on
            logger.warning("the health file cannot be touched: %s", error)
