"""Listeners: subscribers built from configuration."""

from heliostat.events.reads import publish_read
from heliostat.listeners.base import ListenerBase, ListenerEvent
from heliostat.listeners.config import Config, aslist
from heliostat.listeners.reads import PublishesAPIReads, PublishesReads

__all__ = [
    "Config",
    "ListenerBase",
    "ListenerEvent",
    "PublishesAPIReads",
    "PublishesReads",
    "aslist",
    "publish_read",
]
