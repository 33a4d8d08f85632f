from __future__ import annotations

from django.contrib import admin

from heliostat.checked_input import CheckedInput
from heliostat.console.saving import SaveChanges
from heliostat.permissions import ObjectPermissions
from heliostat.targets.models import Target, TargetExtra, TargetName
from heliostat.visible import VisibleText


class AliasInline(admin.TabularInline):  # type: ignore[type-arg]
    model = TargetName
    extra = 0


class ExtraInline(admin.TabularInline):  # type: ignore[type-arg]
    model = TargetExtra
    extra = 0


@admin.register(Target)
class TargetAdmin(SaveChanges, CheckedInput, VisibleText, ObjectPermissions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "type", "ra", "dec", "owner", "created")
    list_filter = ("type", "created")
    list_select_related = ("owner",)
    search_fields = ("name", "aliases__name")
    raw_id_fields = ("owner",)
    inlines = (AliasInline, ExtraInline)
