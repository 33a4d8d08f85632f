"""Celery tasks; `app.autodiscover_tasks()` finds them here. A task that is lost, or run twice, does no harm.

`send_due` is for Celery beat: it sends what is due, retries included, and takes up what a dead process left behind.
"""

from __future__ import annotations

from celery import shared_task

from heliostat.delivery.send_now import send_now
from heliostat.delivery.worker import Worker
from heliostat.events.databases import home
from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer


@shared_task(name="heliostat.webhooks.deliver_hooks", ignore_result=True)
def deliver_hooks(callbacks: list[int], using: str | None = None) -> None:
    """Send these callbacks, each by the element deliverer."""
    HooksDeliverer.deliver(callbacks, using)


@shared_task(name="heliostat.webhooks.deliver_hook", ignore_result=True)
def deliver_hook(callback: int, using: str | None = None) -> None:
    """Send one callback."""
    HookDeliverer.deliver(callback, using)


@shared_task(name="heliostat.webhooks.send_hooks", ignore_result=True)
def send_hooks(callbacks: list[int], using: str | None = None) -> None:
    """Send these callbacks, all at once."""
    send_now(callbacks, using or home())


@shared_task(name="heliostat.webhooks.send_due", ignore_result=True)
def send_due(using: str | None = None) -> None:
    """Send all that is due, as `manage.py worker --batch` does."""
    Worker(using).drain()
