"""Heartbeats of workers: a row for the pages, a file for a supervisor; and whether a worker runs."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import Error as DatabaseError
from django.db.models import Q
from django.utils import timezone

from heliostat.events.databases import home
from heliostat.outbox.dialect import moment
from heliostat.outbox.models import Callback, Status, WorkerSeen

logger = logging.getLogger("heliostat.delivery")

SILENT = 20.0  # seconds without a heartbeat after which a worker is not well; one beats every 5 s at least
FORGOTTEN = 24 * 3600.0  # seconds
COUNT_LIMIT = 1000


class Heartbeat:
    """One row for a living worker, and a file touched at each beat where one is wanted; both gone when it ends."""

    def __init__(self, using: str, health_file: Path | None = None) -> None:
        self._using = using
        self._rows = WorkerSeen.objects.using(using)
        self._name = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(3)}"
        self._started_at = timezone.now()
        self._health_file = health_file

    def beat(self) -> None:
        now = moment(self._using)  # by the database's clock, as in `worker_status`
        if not self._rows.filter(name=self._name).update(seen_at=now):
            self._rows.filter(seen_at__lt=moment(self._using, -FORGOTTEN)).delete()  # of workers that were killed
            self._rows.create(name=self._name, started_at=self._started_at, seen_at=now)
        try:
            if self._health_file:
                self._health_file.touch()  # last: without its database a worker is not well
        except OSError as error:  # the supervisor sees that the file grows old; deliveries go on
            logger.warning("the health file cannot be touched: %s", error)

    def end(self) -> None:
        """Remove both. The row stays where the database is away: soon it is too old to count."""
        if self._health_file:
            self._health_file.unlink(missing_ok=True)
        with contextlib.suppress(DatabaseError):
            self._rows.filter(name=self._name).delete()


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """`waiting` counts durable callbacks that are due, up to 1,000."""

    running: bool
    waiting: int
    last_seen: datetime | None


def worker_status(using: str | None = None) -> WorkerStatus:
    """Return whether a worker runs, and how many callbacks are due. `using`: by default, the home of the outbox."""
    using = using or home()
    workers = WorkerSeen.objects.using(using).annotate(lives=Q(seen_at__gt=moment(using, -SILENT)))
    last_seen, running = workers.order_by("-seen_at").values_list("seen_at", "lives").first() or (None, False)
    due = Callback.objects.using(using).filter(status=Status.WAITING, due_at__lte=moment(using))
    return WorkerStatus(bool(running), due.order_by()[:COUNT_LIMIT].count(), last_seen)
