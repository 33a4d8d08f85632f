from __future__ import annotations

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest

from heliostat import emit
from heliostat.checked_input import CheckedInput
from heliostat.console.saving import SaveChanges
from heliostat.dataproducts.models import DataProduct, DataProductGroup
from heliostat.dataproducts.storing import read_if_possible
from heliostat.permissions import ObjectPermissions
from heliostat.rights.admin import GuardedPages
from heliostat.visible import VisibleText


@admin.register(DataProduct)
class DataProductAdmin(SaveChanges, CheckedInput, VisibleText, GuardedPages, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("__str__", "target", "data_product_type", "product_id", "created")
    list_filter = ("data_product_type", "created")
    list_select_related = ("target",)
    search_fields = ("target__name", "product_id", "data")
    raw_id_fields = ("target", "observation_record", "product_groups")

    def save_model(self, request: HttpRequest, obj: DataProduct, form: ModelForm[DataProduct], change: bool) -> None:
        """A file that is added here was uploaded too. Data in it that cannot be read is named on the product's page."""
        is_upload = "data" in form.changed_data
        if is_upload and not obj.source:
            obj.source = obj.filename
        super().save_model(request, obj, form, change)
        if is_upload:
            emit("uploaded", obj)
            read_if_possible(obj)


@admin.register(DataProductGroup)
class DataProductGroupAdmin(SaveChanges, CheckedInput, VisibleText, ObjectPermissions, admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "created")
    search_fields = ("name",)
