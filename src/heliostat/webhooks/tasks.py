"""The Celery tasks of webhooks, where `app.autodiscover_tasks()` finds them.

A task that is lost, or runs twice, does no harm.

`send_due` is for Celery beat: it sends what is due, retries included, and takes up what a dead process left behind.
"""

from heliostat.webhooks.deliverers.celery import deliver_hook, deliver_hooks, send_due, send_hooks

__all__ = ["deliver_hook", "deliver_hooks", "send_due", "send_hooks"]
