"""Which workers were seen, and when."""

from __future__ import annotations

from django.contrib import admin

from heliostat.outbox.admin.log import LogAdmin, at
from heliostat.outbox.models import WorkerSeen


@admin.register(WorkerSeen)
class WorkerSeenAdmin(LogAdmin):
    list_display = fields = ("name", "started", "seen")
    started, seen = at("started_at", "started"), at("seen_at", "last seen")
    ordering = ("-seen_at",)
