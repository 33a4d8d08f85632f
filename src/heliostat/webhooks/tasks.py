"""Celery tasks; `app.autodiscover_tasks()` finds them here. A task that is lost, or run twice, does no harm.

`send_due` is for Celery beat: it tells what is due, retries included, and takes up what a dead process left behind.
"""

from __future__ import annotations

from celery import shared_task
from django.db import DEFAULT_DB_ALIAS

from heliostat.delivery import courier
from heliostat.delivery.worker import Worker
from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer


@shared_task(name="heliostat.webhooks.deliver_hooks", ignore_result=True)
def deliver_hooks(callbacks: list[int], using: str = DEFAULT_DB_ALIAS) -> None:
    """Have these callbacks told, each by the element deliverer."""
    HooksDeliverer.deliver(callbacks, using)


@shared_task(name="heliostat.webhooks.deliver_hook", ignore_result=True)
def deliver_hook(callback: int, using: str = DEFAULT_DB_ALIAS) -> None:
    """Tell one callback."""
    HookDeliverer.deliver(callback, using)


@shared_task(name="heliostat.webhooks.send_hooks", ignore_result=True)
def send_hooks(callbacks: list[int], using: str = DEFAULT_DB_ALIAS) -> None:
    """Tell these callbacks, all at once."""
    courier.send(callbacks, using)


@shared_task(name="heliostat.webhooks.send_due", ignore_result=True)
def send_due(using: str = DEFAULT_DB_ALIAS) -> None:
    """Tell all that is due, as `manage.py worker --batch` does."""
    Worker(using).drain()
