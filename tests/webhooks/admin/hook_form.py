"""What a person types into the form of a hook."""

from __future__ import annotations

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.http import QueryDict

from heliostat.webhooks.admin.forms import HookForm
from tests.example.models import Vehicle

ADD = "/admin/heliostat_webhooks/hook/add/"
URL = "https://receiver.example.com/"


def typed(**values: Any) -> dict[str, Any]:
    """A form that is filled in rightly, but for these values."""
    model = ContentType.objects.get_for_model(Vehicle).pk
    return {
        "model": model, "target_url": URL, "http_method": "POST", "content_type": "application/json",
        "enabled": "on", "signature": "v1", **values,
    }  # fmt: skip


def form(**values: Any) -> HookForm:
    data = QueryDict(mutable=True)
    for name, value in typed(**values).items():
        data.setlist(name, value if isinstance(value, list) else [value])
    return HookForm(data)
