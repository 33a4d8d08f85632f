"""The pages on which staff make hooks and look after them."""

from __future__ import annotations

from heliostat.webhooks.admin import hooks

__all__ = ["hooks"]
