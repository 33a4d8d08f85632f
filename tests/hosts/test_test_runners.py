"""The test runner of a project: its databases are dropped at the end, whatever its tests change."""

from __future__ import annotations

import pytest

from tests.hosts.projects import Project

pytestmark = pytest.mark.slow


def test_the_database_of_tests_that_change_the_apps_can_be_dropped(kind: str, project: Project) -> None:
    project.configure('HELIOSTAT_HOOKS_REFRESH = 0.05\nINSTALLED_APPS.insert(2, "heliostat.hooks")')
    project.write(
        "shop/tests.py",
        """
        import threading
        import time

        from django.test import TransactionTestCase, modify_settings
        from shop.models import Book

        class Changing(TransactionTestCase):
            def test_1(self):
                with modify_settings(INSTALLED_APPS={"append": "django.contrib.messages"}):
                    Book.objects.create(title="x")

            def test_2(self):
                time.sleep(0.5)
                self.assertNotIn("heliostat-hooks", [thread.name for thread in threading.enumerate()])
        """,
    )
    done = project.manage("test", "--noinput")
    assert "OK" in done.stderr


def test_a_flush_without_post_migrate_leaves_no_hook_to_the_next_test(kind: str, project: Project) -> None:
    project.write(
        "shop/tests.py",
        """
        from django.test import TransactionTestCase
        from heliostat.outbox.models import Callback
        from heliostat.webhooks.api import create_hook
        from shop.models import Book

        class Serialized(TransactionTestCase):
            serialized_rollback = True

            def test_1(self):
                create_hook([], "shop.book", "https://receiver.example.com/")
                Book.objects.create(title="x")
                self.assertEqual(Callback.objects.count(), 1)

            def test_2(self):
                Book.objects.create(title="x")
                self.assertEqual(Callback.objects.count(), 0)
        """,
    )
    assert "OK" in project.manage("test", "--noinput").stderr
