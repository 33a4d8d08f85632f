"""Which workers were seen, and when."""

from __future__ import annotations

from django.contrib import admin

from heliostat.outbox.admin.log import LogAdmin
from heliostat.outbox.models import WorkerSeen


@admin.register(WorkerSeen)
class WorkerSeenAdmin(LogAdmin):
    list_display = ("name", "started_at", "seen_at")
    ordering = ("-seen_at",)
