"""Signals in a module that is not called signals; a test imports it."""

from django.dispatch import Signal

overheated = Signal()
merged = Signal()
