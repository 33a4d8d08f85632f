"""The admin's pages of events, callbacks and workers."""

from __future__ import annotations

from heliostat.outbox.admin import callbacks, events, workers

__all__ = ["callbacks", "events", "workers"]
