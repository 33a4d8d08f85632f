"""Nobody imports this; a hook may name it."""

from django.db.models.signals import post_init as made  # noqa: F401
from django.dispatch import Signal

arrived = Signal()
