"""A project with USE_TZ = False, in a zone of its own, on each database: the whole path of an event."""

from __future__ import annotations

import pytest

from heliostat.testing.receiver import Receiver
from tests.hosts.projects import Project

pytestmark = pytest.mark.slow


def test_without_time_zones_events_are_delivered_retried_and_counted_at_the_right_time(project: Project) -> None:
    project.configure("""
        USE_TZ = False
        TIME_ZONE = "Asia/Kolkata"
        HELIOSTAT_RETRY_FIRST = 0.1
        HELIOSTAT_LEASE = 30.0
    """)
    project.manage("check")
    project.manage("migrate")
    with Receiver(answers=[503]) as receiver:
        project.python(f"""
            import time
            from datetime import datetime, timedelta
            from heliostat.delivery.heartbeat import worker_status
            from heliostat.outbox.models import Attempt, Callback, Event
            from heliostat.testing import drain_outbox
            from heliostat.webhooks import operations
            from heliostat.webhooks.api import create_hook
            from heliostat.webhooks.exceptions import InvalidExpiryError
            from heliostat.webhooks.models import Hook
            from shop.models import Book

            soon = datetime.now() + timedelta(minutes=5)
            hook = create_hook(
                signals=["created"], model=Book, target_url={receiver.url!r}, expires_at=soon, max_per_second=50
            )
            Book.objects.create(title="x", printed=datetime(2026, 1, 2, 3, 4, 5))
            event = Event.objects.get()
            assert abs(datetime.now() - event.created_at) < timedelta(minutes=1), event.created_at
            assert worker_status().waiting == 1
            drain_outbox()
            callback = Callback.objects.get()
            assert callback.status == "waiting", callback.status
            assert abs(datetime.now() - callback.due_at) < timedelta(minutes=1), callback.due_at
            time.sleep(0.5)
            drain_outbox()
            callback = Callback.objects.get()
            assert (callback.status, callback.attempts) == ("sent", 2), (callback.status, callback.status_details)
            for attempt in Attempt.objects.all():
                assert abs(datetime.now() - attempt.started_at) < timedelta(minutes=1), attempt.started_at
            operations.pause(hook)
            operations.resume(hook)
            secret = operations.rotate_secret(hook)
            operations.ping(hook)
            assert drain_outbox()["sent"] == 1
            Hook.objects.filter(pk=hook.pk).update(expires_at=datetime.now() - timedelta(seconds=1))
            Book.objects.create(title="after it expired")
            assert Callback.objects.filter(event__resource="shop.book").count() == 1
        """)
        assert len(receiver.deliveries) == 3
    for command in (
        ("monitor_callbacks", "--status", "waiting"),
        ("monitor_callbacks", "--status", "error", "--minutes_ago", "5"),
        ("resend_callbacks", "--minutes_ago", "60", "--dry-run"),
        ("delete_old_callbacks", "1"),
        ("worker", "--batch"),
    ):
        project.manage(*command)
