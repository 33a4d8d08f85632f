"""Listeners: subscribers built from configuration."""

from heliostat.listeners.base import ListenerBase, ListenerEvent
from heliostat.listeners.config import Config, aslist

__all__ = ["Config", "ListenerBase", "ListenerEvent", "aslist"]
