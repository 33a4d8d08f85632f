"""The page of custom signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from heliostat.checked_input import CheckedInput
from heliostat.visible import VisibleText
from heliostat.webhooks.models import Signal

if TYPE_CHECKING:
    SignalModelAdmin = admin.ModelAdmin[Signal]
else:
    SignalModelAdmin = admin.ModelAdmin


@admin.register(Signal)
class SignalAdmin(CheckedInput, VisibleText, SignalModelAdmin):
    search_fields = ("name",)
