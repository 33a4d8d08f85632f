"""Listeners: objects built from configuration that ask to know."""

from heliostat.listeners.base import ListenerBase, ListenerEvent
from heliostat.listeners.config import Config, aslist

__all__ = ["Config", "ListenerBase", "ListenerEvent", "aslist"]
