"""Message queues as subscribers: events are published as CloudEvents, and consumed in any language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Consumer"]

if TYPE_CHECKING:
    from heliostat.queues.consuming.consumer import Consumer


def __getattr__(name: str) -> Any:
    """Import the consumer when it is first used: it needs a Redis client, and publishers do not need it."""
    if name == "Consumer":
        from heliostat.queues.consuming.consumer import Consumer

        return Consumer
    raise AttributeError(f"module 'heliostat.queues' has no attribute {name!r}")
