"""Heliostat: events, hooks and webhooks for Django, delivered reliably."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0.dev0"
__all__ = ["Event", "acting_as", "batch", "emit", "on", "quiet", "register_event_type"]

if TYPE_CHECKING:
    from heliostat.events.context import acting_as, quiet
    from heliostat.events.event import Event
    from heliostat.events.publish import batch, emit
    from heliostat.events.types import register_event_type
    from heliostat.hooks.decorator import on

# Imported when first used: `import heliostat` must work before Django's apps are loaded.
_MODULES = {
    "Event": "heliostat.events.event",
    "acting_as": "heliostat.events.context",
    "batch": "heliostat.events.publish",
    "emit": "heliostat.events.publish",
    "on": "heliostat.hooks.decorator",
    "quiet": "heliostat.events.context",
    "register_event_type": "heliostat.events.types",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module 'heliostat' has no attribute {name!r}")
