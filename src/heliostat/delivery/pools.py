"""Connection pools of Django (`OPTIONS = {"pool": …}`): what sleeps holds no connection, for there may be only one."""

from __future__ import annotations

from django.db import connections


def release_pooled() -> None:
    """Give this thread's connections back to their pools, except where a transaction is open (in a test)."""
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
            connection.close()
