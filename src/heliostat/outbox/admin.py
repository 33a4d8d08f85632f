from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest

from heliostat.outbox import transitions
from heliostat.outbox.models import Attempt, Callback, Event, WorkerSeen

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    AttemptTabularInline = admin.TabularInline[Attempt, Callback]
else:
    ModelAdmin = admin.ModelAdmin
    AttemptTabularInline = admin.TabularInline


class LogAdmin(ModelAdmin):
    """A log: to be read, not to be written."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class AttemptInline(AttemptTabularInline):
    model = Attempt
    verbose_name_plural = "attempts"
    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Callback)
class CallbackAdmin(LogAdmin):
    list_display = (
        "id",
        "event",
        "subscriber",
        "status",
        "attempts",
        "status_details",
        "due_at",
        "updated_at",
    )
    list_filter = ("status", "created_at")
    list_select_related = ("event",)
    search_fields = ("subscriber", "=event__id", "=event__object_id")
    inlines = (AttemptInline,)
    actions = ("send_again",)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        return actions if request.user.is_superuser else {}

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        return lookup == "subscriber" or super().lookup_allowed(lookup, value, request)

    @admin.action(description="Send again, with the same id and body")
    def send_again(self, request: HttpRequest, queryset: QuerySet[Callback]) -> None:
        count = transitions.resend(queryset.values_list("pk", flat=True), queryset.db)
        messages.success(
            request, f"{count} callbacks will be sent again; what is waiting or being sent was left alone."
        )


@admin.register(Event)
class EventAdmin(LogAdmin):
    list_display = ("id", "resource", "action", "object_id", "created_at")
    list_filter = ("resource", "action")
    search_fields = ("=id", "=object_id")


@admin.register(WorkerSeen)
class WorkerSeenAdmin(LogAdmin):
    list_display = ("name", "started_at", "seen_at")
