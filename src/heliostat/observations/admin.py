from __future__ import annotations

from django.contrib import admin

from heliostat.checked_input import CheckedInput
from heliostat.console.saving import SaveChanges
from heliostat.observations.models import ObservationRecord
from heliostat.rights.admin import GuardedPages
from heliostat.visible import VisibleText


@admin.register(ObservationRecord)
class ObservationRecordAdmin(SaveChanges, CheckedInput, VisibleText, GuardedPages, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("__str__", "observation_id", "status", "scheduled_start", "created")
    list_filter = ("facility", "status", "created")
    list_select_related = ("target",)
    search_fields = ("target__name", "observation_id")
    raw_id_fields = ("target", "user")
