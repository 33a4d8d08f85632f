"""By Celery tasks. What a broker or a Celery worker loses is still in the outbox, and sent by a worker."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

from celery import current_app, shared_task
from kombu.exceptions import OperationalError

from heliostat.delivery.send_now import send_now
from heliostat.delivery.worker import Worker
from heliostat.events.databases import home
from heliostat.webhooks.deliverers.base import HookDeliverer, HooksDeliverer

logger = logging.getLogger("heliostat.webhooks")

AWAY = 10.0  # seconds without a new attempt after a broker was down: a change waits for each attempt
ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


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


class _ByCelery:
    """A deliverer that needs a Celery app of the project."""

    @classmethod
    def problem(cls) -> str:
        if current_app.main == "default":  # the name of what Celery makes up where it knows of no app
            return (
                "there is no Celery app in this process, so that tasks would go to a RabbitMQ on this machine; import "
                "yours in the __init__.py of the project"
            )
        try:
            current_app.connection_for_write().create_transport()  # which connects to nobody yet
        except (ImportError, KeyError) as error:
            return f"its broker needs what is not installed ({error}); Celery has extras, such as celery[redis]"
        except ValueError:  # which would show a part of a password
            return "the address of its broker cannot be read; percent-encode the password in it"
        return ""


class TaskHooksDeliverer(_ByCelery, HooksDeliverer):
    """Create one task for the callbacks of a commit, which sends each with the element deliverer."""

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        enqueue(deliver_hooks, list(callbacks), using)


class TogetherHooksDeliverer(_ByCelery, HooksDeliverer):
    """Create one task that sends all callbacks at once, without the element deliverer."""

    def deliver_hooks(self, callbacks: Sequence[int], using: str) -> None:
        enqueue(send_hooks, list(callbacks), using)


class TaskHookDeliverer(_ByCelery, HookDeliverer):
    """Create one task for each callback."""

    def deliver_hook(self, callback: int, using: str) -> None:
        enqueue(deliver_hook, callback, using)


_away_until = 0.0


def enqueue(task: Any, *arguments: Any) -> None:
    """Put a task on the queue. While the broker is down, log that once, and leave the callbacks to a worker."""
    global _away_until  # noqa: PLW0603  the broker is one for the process
    if time.monotonic() < _away_until:
        return
    try:
        with task.app.producer_or_acquire() as producer:
            producer.connection.ensure_connection(**ONCE)  # Celery itself would try for six seconds
            task.apply_async(arguments, producer=producer, retry_policy=ONCE)
    except OperationalError as error:
        _away_until = time.monotonic() + AWAY
        logger.warning("Celery's broker is away (%s); for the next %d s hooks are left to a worker", error, AWAY)


deliver_hooks_using_task = TaskHooksDeliverer.deliver
deliver_hooks_using_asyncio_task = TogetherHooksDeliverer.deliver
deliver_hook_using_task = TaskHookDeliverer.deliver
