from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from heliostat.checked_input import CheckedInput
from heliostat.console.saving import SaveChanges
from heliostat.permissions import ObjectPermissions
from heliostat.rights.admin import GuardedPages
from heliostat.targets.forms import DistinctNames
from heliostat.targets.models import Tag, Target, TargetExtra, TargetList, TargetName
from heliostat.targets.names import TAKEN_MEANWHILE, NameTaken, hold_names, release_names
from heliostat.targets.search import by_words
from heliostat.targets.team_forms import TeamFields
from heliostat.visible import VisibleText


class AliasInline(admin.TabularInline):  # type: ignore[type-arg]
    model = TargetName
    formset = DistinctNames
    fields = ("name",)
    extra = 0


class ExtraInline(admin.TabularInline):  # type: ignore[type-arg]
    model = TargetExtra
    fields = ("key", "value")
    extra = 0


@admin.register(Target)
class TargetAdmin(SaveChanges, CheckedInput, VisibleText, GuardedPages, admin.ModelAdmin):  # type: ignore[type-arg]
    form = TeamFields
    list_display = ("name", "type", "status", "priority", "classification", "owner", "created")
    list_filter = ("type", "status", "created")
    filter_horizontal = ("tags",)
    list_select_related = ("owner",)
    search_fields = ("name",)  # and aliases: see get_search_results()
    raw_id_fields = ("owner",)
    inlines = (AliasInline, ExtraInline)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Target], search_term: str
    ) -> tuple[QuerySet[Target], bool]:
        return by_words(queryset, search_term), False

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save the target with its names released, so that one may change places with an alias."""
        release_names(obj)
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        hold_names(form.instance)

    def changeform_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        try:
            return super().changeform_view(request, *args, **options)
        except NameTaken:
            self.message_user(request, f"{TAKEN_MEANWHILE} Nothing was saved.", messages.ERROR)
            return redirect(request.get_full_path())


@admin.register(Tag)
class TagAdmin(CheckedInput, VisibleText, ObjectPermissions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name",)
    search_fields = ("name",)


@admin.register(TargetList)
class TargetListAdmin(SaveChanges, CheckedInput, VisibleText, ObjectPermissions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "owner", "is_shared", "created")
    list_filter = ("is_shared", "created")
    list_select_related = ("owner",)
    search_fields = ("name",)
    raw_id_fields = ("owner", "targets")
