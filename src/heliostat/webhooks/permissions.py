"""Whether a user may view what a webhook tells of: asked for each model and object, never of `is_staff`."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from heliostat.permissions import has_permission


def may_view(user: Any, model: type[Model], obj: Model | None = None) -> bool:
    """Return whether an active user has Django's permission to view a model, or this one object of it."""
    return has_permission(user, "view", model, obj)
