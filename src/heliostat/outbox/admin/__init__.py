"""The log of what happened and who was told, for staff to read."""

from __future__ import annotations

from heliostat.outbox.admin import callbacks, events, workers

__all__ = ["callbacks", "events", "workers"]
