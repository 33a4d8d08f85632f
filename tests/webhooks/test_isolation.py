"""Tests of projects: what one test does with hooks is not there in the next, and no query of ours falls into it.

Run in the order in which they stand here, each with nothing but what Django's own test cases do between them.
"""

from __future__ import annotations

from typing import ClassVar

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models.signals import post_delete
from django.test import TestCase, TransactionTestCase, override_settings

from heliostat.events.event import Event
from heliostat.events.matching import registry
from heliostat.outbox.models import Callback
from heliostat.testing import Receiver, captured_events, drain_outbox, run_after_commit
from heliostat.webhooks.models import Hook
from tests.example.models import Depot, Vehicle

pytestmark = pytest.mark.xdist_group("isolation")  # one test after the other, in one process


def hook(url: str = "https://receiver.example.com/") -> Hook:
    return Hook.objects.create(model=ContentType.objects.get_for_model(Vehicle), target=url)


def known() -> int:
    return len(registry.matcher.match(Event(resource="example.vehicle", action="updated", object_id="1")))


class AHooksInTests(TestCase):
    """Each test makes a hook with the same id as the test before, for another receiver."""

    def _deliver(self) -> None:
        with Receiver() as receiver:
            hook(receiver.url)
            assert known() == 1
            Vehicle.objects.create(name="55")
            assert drain_outbox() == {"sent": 1}
            assert len(receiver.deliveries) == 1

    def test_1(self) -> None:
        self._deliver()

    def test_2(self) -> None:
        assert known() == 0
        self._deliver()

    def test_3_without_a_query_of_ours(self) -> None:
        with self.assertNumQueries(1):
            Vehicle.objects.create(name="56")
        assert not Callback.objects.exists()

    def test_4_in_a_transaction_of_its_own(self) -> None:
        with transaction.atomic():
            hook()
            transaction.set_rollback(True)
        with self.assertNumQueries(1):
            Vehicle.objects.create(name="56")
        with run_after_commit():
            hook()
        assert known() == 1

    def test_5_after_callbacks_of_a_commit_that_never_was(self) -> None:
        assert known() == 0
        with self.captureOnCommitCallbacks() as callbacks:
            hook()
        assert callbacks
        assert known() == 1

    def test_6_while_somebody_holds_those_callbacks(self) -> None:
        assert known() == 0

    def test_7_settings_change(self) -> None:
        hook()
        with override_settings(DJANGO_HTTP_HOOKS_SHUT_DOWN=True):
            assert known() == 0
        assert known() == 1

    def test_8_after_settings_changed(self) -> None:
        with self.assertNumQueries(1):
            Vehicle.objects.create(name="56")
        with override_settings(HELIOSTAT_SILENT=[]), self.assertNumQueries(1):
            Vehicle.objects.create(name="57")


class BHooksOfAClass(TestCase):
    """Hooks of `setUpTestData` are there in each test, and in none of the next class."""

    made: ClassVar[Hook]
    receiver: ClassVar[Receiver]
    depot: ClassVar[Depot]

    @classmethod
    def setUpTestData(cls) -> None:
        cls.receiver = Receiver().start()
        cls.addClassCleanup(cls.receiver.stop)
        cls.made = hook(cls.receiver.url)
        cls.depot = Depot.objects.create(name="North")

    def test_1(self) -> None:
        assert known() == 1
        self.made.delete()
        assert known() == 0

    def test_2(self) -> None:
        assert known() == 1
        Vehicle.objects.create(name="55")
        assert drain_outbox() == {"sent": 1}
        assert self.receiver.wait_for(1)

    def test_3(self) -> None:
        assert known() == 1
        Hook.objects.update(enabled=False)
        assert known() == 0
        with self.assertNumQueries(1):
            Vehicle.objects.create(name="56")

    def test_4(self) -> None:
        assert known() == 1


class CAfterAClass(TestCase):
    def test_1(self) -> None:
        with self.assertNumQueries(1):
            Vehicle.objects.create(name="56")
        assert known() == 0

    def test_2_subscribers_of_a_block_end_with_it(self) -> None:
        with captured_events() as events:
            Vehicle.objects.create(name="55")
        Vehicle.objects.create(name="56")
        assert len(events) == 1

    def test_3_deletions_are_as_quick_as_before(self) -> None:
        hook()

    def test_4_deletions_are_as_quick_as_before(self) -> None:
        Depot.objects.create(name="North")
        assert not post_delete.has_listeners(Vehicle), (
            "nobody asks for the deletion of a vehicle, so Django need not read what it deletes"
        )


class DCommitted(TransactionTestCase):
    """Hooks that are really committed, and flushed."""

    def test_1(self) -> None:
        made = hook()
        assert known() == 1
        with transaction.atomic():
            made.delete()
            transaction.set_rollback(True)
        assert known() == 1

    def test_2(self) -> None:
        assert known() == 0
        with self.assertNumQueries(1):
            Vehicle.objects.create(name="56")
        hook()

    def test_3(self) -> None:
        assert known() == 0
