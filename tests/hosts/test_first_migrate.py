"""The first `migrate` of a project with durable subscribers works, although it makes the tables of the outbox."""

from __future__ import annotations

import shutil

import pytest

from tests.hosts.projects import DJANGO, ENGINE, Project

pytestmark = pytest.mark.slow

SUBSCRIBER = """
from heliostat import on


@on("*.*", when="durable")
def everything(event):
    pass
"""
APP = """
from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


def make_group(using, apps, **_):
    from django.contrib.auth.models import Group
    if Group._meta.db_table in connections[using].introspection.table_names():
        Group.objects.using(using).get_or_create(name="editors")


class ShopConfig(AppConfig):
    name = "shop"

    def ready(self):
        post_migrate.connect(make_group)
"""
EVENTS = """
from heliostat.outbox.models import Event
print(Event.objects.filter(resource={!r}).count())
"""
DATA_MIGRATION = """
from django.db import migrations


def make(apps, schema_editor):
    from django.contrib.contenttypes.models import ContentType
    from shop.models import Book

    using = schema_editor.connection.alias
    Book.objects.using(using).create(title="by a migration")
    book = Book(title="by save()")
    book.save(using=using)
    book.title = "changed"
    book.save(using=using)
    ContentType.objects.using(using).get_or_create(app_label="shop", model="nothing")


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial"), ("contenttypes", "0002_remove_content_type_name")]
    operations = [migrations.RunPython(make)]
"""


@pytest.fixture
def subscribed(project: Project) -> Project:
    """A project whose durable subscriber wants everything, on each database."""
    return subscribe(project)


@pytest.fixture
def on_sqlite(sqlite_project: Project) -> Project:
    """The same, for what does not depend on the database."""
    return subscribe(sqlite_project)


def subscribe(project: Project) -> Project:
    project.write("shop/hooks.py", SUBSCRIBER)
    project.write("shop/apps.py", APP)
    project.configure("""
        INSTALLED_APPS.insert(2, "heliostat.hooks")
        HELIOSTAT_SILENT = []
    """)
    return project


def test_the_first_migrate_works_with_a_durable_subscriber_on_everything(subscribed: Project) -> None:
    done = subscribed.manage("migrate")
    assert "no outbox tables" not in done.stderr  # `post_migrate` comes after all migrations: nothing was dropped
    assert subscribed.python(EVENTS.format("auth.group")) == "1"


def test_a_migration_that_saves_before_the_outbox_is_made_works_and_says_once_what_is_dropped(
    subscribed: Project,
) -> None:
    subscribed.write("shop/migrations/0002_data.py", DATA_MIGRATION)
    done = subscribed.manage("migrate", "shop")
    assert done.stderr.count("no outbox tables yet") == 1
    assert subscribed.python("from shop.models import Book\nprint(Book.objects.count())") == "2"


def test_a_migration_that_saves_after_the_outbox_is_made_publishes(on_sqlite: Project) -> None:
    on_sqlite.manage("migrate", "heliostat_outbox")
    on_sqlite.write("shop/migrations/0002_data.py", DATA_MIGRATION)
    done = on_sqlite.manage("migrate")
    assert "no outbox tables" not in done.stderr
    assert on_sqlite.python(EVENTS.format("shop.book")) == "3"


def test_a_part_of_the_project_can_be_migrated_first(on_sqlite: Project) -> None:
    done = on_sqlite.manage("migrate", "auth")  # then `post_migrate` runs
    assert done.stderr.count("no outbox tables yet") == 1
    on_sqlite.manage("migrate")


@pytest.mark.slow
def test_the_outbox_can_be_migrated_away_and_back(on_sqlite: Project) -> None:
    on_sqlite.manage("migrate")
    on_sqlite.manage("migrate", "heliostat_webhooks", "zero")
    on_sqlite.manage("migrate", "heliostat_outbox", "zero")
    on_sqlite.manage("migrate")


def test_a_site_that_was_never_migrated_gets_an_error_not_a_lost_event(on_sqlite: Project) -> None:
    on_sqlite.manage("migrate", "shop")
    error = on_sqlite.python("from shop.models import Book\nBook.objects.create(title='x')", fails=True)
    assert "manage.py migrate" in error
    assert on_sqlite.python("from shop.models import Book\nprint(Book.objects.count())") == "0"


def test_apps_without_migrations_are_made_by_the_same_migrate(on_sqlite: Project) -> None:
    shutil.rmtree(on_sqlite.folder / "shop" / "migrations")
    done = on_sqlite.manage("migrate", "--run-syncdb")
    assert "no outbox tables" not in done.stderr


def test_the_test_database_is_made_with_a_durable_subscriber_on_everything(subscribed: Project) -> None:
    subscribed.write(
        "shop/tests.py",
        """
        from django.test import TestCase
        from heliostat.outbox.models import Event
        from shop.models import Book

        class Saving(TestCase):
            def test_it(self):
                Book.objects.create(title="x")
                self.assertEqual(Event.objects.filter(resource="shop.book").count(), 1)

            def test_the_outbox_costs_no_query_of_its_own(self):
                Book.objects.create(title="x")
                with self.assertNumQueries(1):
                    Book.objects.count()
        """,
    )
    done = subscribed.manage("test", "--noinput")
    assert "OK" in done.stderr


@pytest.mark.parametrize("order", ["ours first", "ours last"])
def test_the_order_of_the_apps_does_not_matter(on_sqlite: Project, order: str) -> None:
    apps = (*ENGINE, "heliostat.hooks", *DJANGO) if order == "ours first" else (*DJANGO, *ENGINE, "heliostat.hooks")
    on_sqlite.configure(f"INSTALLED_APPS = [*{apps!r}, 'shop']")
    on_sqlite.manage("migrate")
    on_sqlite.manage("check")


def test_tables_of_django_that_are_no_models_of_the_project_are_not_observed(on_sqlite: Project) -> None:
    on_sqlite.manage("migrate")
    assert on_sqlite.python(EVENTS.format("migrations.migration")) == "0"
