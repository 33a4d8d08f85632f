from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import get_user_model

from heliostat.alerts.models import BrokerQuery
from heliostat.checked_input import CheckedInput
from heliostat.console.saving import SaveChanges
from heliostat.permissions import ObjectPermissions
from heliostat.visible import VisibleText


@admin.register(BrokerQuery)
class BrokerQueryAdmin(SaveChanges, CheckedInput, VisibleText, ObjectPermissions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "broker", "user", "created", "last_run")
    list_filter = ("broker", "created")
    list_select_related = ("user",)
    search_fields = ("name", f"user__{get_user_model().USERNAME_FIELD}")
    raw_id_fields = ("user",)
    readonly_fields = ("last_run",)
