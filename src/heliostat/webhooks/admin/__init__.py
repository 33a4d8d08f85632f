"""The pages on which staff make hooks and look after them."""

from __future__ import annotations

from django.urls import reverse

from heliostat.outbox.admin import link_with
from heliostat.webhooks.admin import hooks, signals

__all__ = ["hooks", "signals"]

link_with("hook", lambda identifier: reverse("admin:heliostat_webhooks_hook_change", args=[identifier]))
