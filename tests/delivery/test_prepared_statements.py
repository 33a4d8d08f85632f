"""PostgreSQL spared of planning the same statements again and again, as docs/operating.md advises."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.conf import settings
from django.contrib.contenttypes.models import ContentType
from django.db import connections

from heliostat.delivery.worker import Worker
from heliostat.outbox.models import Callback
from heliostat.testing import Receiver
from heliostat.webhooks.models import Hook
from tests.example.models import Vehicle

USING = "postgresql"
PREPARING = {"server_side_binding": True, "prepare_threshold": 0}
pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.skipif(USING not in settings.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432"),
]


def save_and_publish() -> int:
    """How many statements of the outbox the server had prepared before a worker began."""
    try:
        for name in "abc":
            Vehicle.objects.using(USING).create(name=name)
        with connections[USING].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%heliostat_outbox_%'")
            (prepared,) = cursor.fetchone()
        assert Worker(USING).drain()["sent"] == 3
        return int(prepared)
    finally:
        connections.close_all()


def test_callbacks_are_written_and_read_by_prepared_statements(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connections[USING].settings_dict, "OPTIONS", PREPARING)
    Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=receiver.url)
    with ThreadPoolExecutor(1) as thread:  # a thread has connections of its own, opened with these options
        prepared = thread.submit(save_and_publish).result()
    assert prepared
    assert len(receiver.wait_for(3)) == 3
    assert set(Callback.objects.using(USING).values_list("status", flat=True)) == {"sent"}
