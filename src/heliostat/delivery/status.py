"""Whether a worker lives, and how much waits for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from heliostat.outbox.models import Callback, Status, WorkerSeen

SILENT_FOR = timedelta(seconds=20)  # a worker speaks every 5 s at least
COUNT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """`waiting` counts durable callbacks that are due, up to 1,000."""

    running: bool
    waiting: int
    last_seen: datetime | None


def worker_status(using: str = DEFAULT_DB_ALIAS) -> WorkerStatus:
    """One look at the newest sign of life, and one at what is due."""
    now = timezone.now()
    last_seen = WorkerSeen.objects.using(using).order_by("-seen_at").values_list("seen_at", flat=True).first()
    running = last_seen is not None and last_seen > now - SILENT_FOR
    due = Callback.objects.using(using).filter(status=Status.WAITING, due_at__lte=now)
    return WorkerStatus(running, due.order_by()[:COUNT_LIMIT].count(), last_seen)
