"""For the tests of projects that use Heliostat.

from heliostat.testing import captured_events, drain_outbox, Receiver

with captured_events() as events:
    target.save()
assert [event.type for event in events] == ["targets.target.updated"]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heliostat.testing.events import captured_events, run_after_commit, subscribed
    from heliostat.testing.outbox import drain_outbox
    from heliostat.testing.receiver import Answer, Delivery, Receiver

__all__ = ["Answer", "Delivery", "Receiver", "captured_events", "drain_outbox", "run_after_commit", "subscribed"]

# Imported when first used: the receiver needs no project, everything else does.
_MODULES = {
    "Answer": "receiver",
    "Delivery": "receiver",
    "Receiver": "receiver",
    "captured_events": "events",
    "drain_outbox": "outbox",
    "run_after_commit": "events",
    "subscribed": "events",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"heliostat.testing.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'heliostat.testing' has no attribute {name!r}")
