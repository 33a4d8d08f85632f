"""Whether a worker lives, and how much waits for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from heliostat.events.databases import home
from heliostat.outbox.dialect import moment
from heliostat.outbox.models import Callback, Status, WorkerSeen

SILENT_FOR = 20.0  # seconds; a worker speaks every 5 s at least
COUNT_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """`waiting` counts durable callbacks that are due, up to 1,000."""

    running: bool
    waiting: int
    last_seen: datetime | None


def worker_status(using: str | None = None) -> WorkerStatus:
    """Look once at the newest sign of life, and once at what is due. `using`: by default, the outbox's home."""
    using = using or home()
    workers = WorkerSeen.objects.using(using).annotate(lives=Q(seen_at__gt=moment(using, -SILENT_FOR)))
    last_seen, running = workers.order_by("-seen_at").values_list("seen_at", "lives").first() or (None, False)
    due = Callback.objects.using(using).filter(status=Status.WAITING, due_at__lte=moment(using))
    return WorkerStatus(bool(running), due.order_by()[:COUNT_LIMIT].count(), last_seen)
