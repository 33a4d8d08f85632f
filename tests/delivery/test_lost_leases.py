"""A worker that was away from its database for too long, and takes up again what it is still sending."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.utils import timezone

from heliostat.delivery.worker import Worker
from heliostat.outbox import transitions
from heliostat.outbox.models import Callback
from heliostat.testing import Answer, Receiver
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.mark.sweep
def test_what_a_worker_lost_and_claimed_once_more_is_renewed_like_all_else(
    using: str, receiver: Receiver, settings: Any
) -> None:
    settings.HELIOSTAT_LEASE, settings.HELIOSTAT_POLL = 1.0, 0.05
    receiver.answers = [Answer(delay=0.6), Answer(delay=2.5)]
    Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url)
    Vehicle.objects.using(using).create(name="55")
    worker = Worker(using)
    thread = threading.Thread(target=lambda: (worker.run(), connections.close_all()))
    thread.start()
    try:
        receiver.wait_for(1)
        while not transitions.rescue(using):  # as another worker would, had this one been silent
            Callback.objects.using(using).update(lease_until=timezone.now() - timedelta(hours=1))
        receiver.wait_for(2)
        deadline = time.monotonic() + 10
        while Callback.objects.using(using).get().status != "sent" and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        worker.stop()
        thread.join(20)
    assert Callback.objects.using(using).get().status == "sent"
    assert len(receiver.deliveries) == 2, "sent a third time, for its second lease ran out while it was sent"
