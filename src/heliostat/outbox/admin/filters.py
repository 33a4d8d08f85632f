"""Filters of the log beside its list: each goes by an index."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from heliostat.outbox.models import Callback, Status
from heliostat.outbox.queries import in_state, made_since

TIMES = {
    "hour": ("Past hour", timedelta(hours=1)),
    "day": ("Past 24 hours", timedelta(days=1)),
    "week": ("Past 7 days", timedelta(days=7)),
    "month": ("Past 30 days", timedelta(days=30)),
}


class StatusFilter(admin.SimpleListFilter):
    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return Status.choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Callback]) -> QuerySet[Callback]:
        value = self.value()
        return in_state(queryset, Status(value)) if value in Status.values else queryset


class TimeFilter(admin.SimpleListFilter):
    title = "creation time"
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(name, label) for name, (label, _) in TIMES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Callback]) -> QuerySet[Callback]:
        value = self.value()
        return made_since(queryset, timezone.now() - TIMES[value][1]) if value in TIMES else queryset


class SubscriberFilter(admin.SimpleListFilter):
    """There may be thousands, so it offers none but the one that was asked for."""

    title = "subscriber"
    parameter_name = "subscriber"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        given = self.used_parameters.get(self.parameter_name)
        return [(given, given)] if given else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Callback]) -> QuerySet[Callback]:
        value = (self.value() or "").replace("\x00", "")
        return queryset.filter(subscriber=value) if value else queryset
