"""Listeners: objects built from configuration that ask to know."""

from heliostat.listeners.base import ListenerBase
from heliostat.listeners.config import aslist

__all__ = ["ListenerBase", "aslist"]
