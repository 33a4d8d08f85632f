"""Several databases, and the routers that Django's documents show: each works, or a system check names the remedy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from heliostat.testing.receiver import Receiver
from tests.hosts.projects import Project, database

pytestmark = pytest.mark.slow

# As in Django's documentation, "Automatic database routing".
PRIMARY_REPLICA = """
import random


class PrimaryReplicaRouter:
    def db_for_read(self, model, **hints):
        return random.choice(["replica1", "replica2"])

    def db_for_write(self, model, **hints):
        return "primary"

    def allow_relation(self, obj1, obj2, **hints):
        return True

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return True
"""
BY_APP = """
class AppRouter:
    apps = {"shop": "legacy"}
    others = ()  # apps that are allowed in the database, beside its own

    def db_for_read(self, model, **hints):
        return self.apps.get(model._meta.app_label)

    db_for_write = db_for_read

    def allow_relation(self, obj1, obj2, **hints):
        return True

    def allow_migrate(self, db, app_label, model_name=None, **hints):
        home = self.apps.get(app_label)
        if home is not None:
            return db == home
        return True if db == "default" else app_label in self.others


class Silent:
    pass
"""
EVERYTHING = """
from heliostat import on

heard = []


@on("*.*", when="durable")
def everything(event):
    pass


@on("*.*", when="after_commit")
def now(event):
    heard.append(event.type)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def two(folder: Path, first: str, second: str) -> Iterator[Project]:
    with database("sqlite", folder) as one, database("sqlite", folder) as other:
        project = Project(folder, {first: one, second: other})
        project.configure('INSTALLED_APPS.insert(2, "heliostat.hooks")')
        project.write("routers.py", BY_APP)
        project.write("shop/hooks.py", EVERYTHING)
        yield project


@pytest.fixture
def beside_legacy(folder: Path) -> Iterator[Project]:
    """A project with a second database, `legacy`; a durable subscriber wants everything."""
    yield from two(folder, "default", "legacy")


def test_with_stale_replicas_and_an_empty_default_everything_of_ours_is_read_where_it_is_written(folder: Path) -> None:
    with database("sqlite", folder) as primary, Receiver() as receiver:
        copies = {alias: {**primary, "NAME": str(folder / f"{alias}.sqlite3")} for alias in ("replica1", "replica2")}
        project = Project(folder, {"default": {}, "primary": primary, **copies})
        project.write("routers.py", PRIMARY_REPLICA)
        project.configure('DATABASE_ROUTERS = ["routers.PrimaryReplicaRouter"]')
        project.manage("migrate", "--database=primary")
        project.python(
            "from shop.models import Book\nfrom django.contrib.auth.models import User\n"
            "User.objects.create(username='ada')\nBook.objects.create(title='Ulysses')"
        )
        for copy in copies.values():  # from now on they do not follow
            shutil.copy(primary["NAME"], copy["NAME"])
        project.manage("check")
        project.python(f"""
            from django.contrib.auth.models import User
            from heliostat import batch, emit
            from heliostat.delivery.heartbeat import worker_status
            from heliostat.outbox.models import Callback, Event
            from heliostat.testing import drain_outbox
            from heliostat.webhooks import operations
            from heliostat.webhooks.models import Hook
            from shop.models import Book

            book, ada = Book.objects.get(), User.objects.get()
            assert book._state.db != "primary"
            hook = Hook(user=ada, content_object=book, target={receiver.url!r})
            hook.save()
            assert Hook.objects.get() == hook and Hook.objects.get()._state.db == "primary"
            book.title = "Dubliners"
            book.save()
            emit("crashed", book)
            emit("weather.station.storm")
            with batch():
                Book.objects.create(title="Exiles")
            assert Event.objects.count() == 2, list(Event.objects.all())
            operations.pause(hook)
            operations.resume(hook)
            operations.ping(hook)
            hook.refresh_from_db()
            assert Callback.objects.get(event__action="crashed").event.action == "crashed"
            assert worker_status().waiting == 3
            assert drain_outbox()["sent"] == 3
        """)
        assert sorted(one.json["event_type"] for one in receiver.deliveries) == ["crashed", "ping", "updated"]
        project.manage("worker", "--batch")
        project.manage("monitor_callbacks", "--status", "error")


def test_saves_in_a_second_database_without_our_tables_work_and_are_not_observed(beside_legacy: Project) -> None:
    beside_legacy.manage("migrate")
    beside_legacy.manage("migrate", "shop", "--database=legacy")
    done = beside_legacy.run(
        "-c",
        "import django; django.setup()\n"
        "from heliostat.outbox.models import Event\n"
        "from django.test.utils import CaptureQueriesContext\n"
        "from django.db import connections\n"
        "from shop.models import Book\nfrom shop.hooks import heard\n"
        "for title in 'ab':\n"
        "    book = Book(title=title)\n    book.save(using='legacy')\n"
        "with CaptureQueriesContext(connections['legacy']) as queries:\n"
        "    Book(title='c').save(using='legacy')\n"
        "assert len([q for q in queries if 'INSERT' in q['sql']]) == 1, list(queries)\n"
        "assert not [q for q in queries if 'sqlite_master' in q['sql']], list(queries)\n"
        "assert Book.objects.using('legacy').count() == 3 and Event.objects.count() == 0\n"
        "assert heard.count('shop.book.created') == 3, heard\n"  # what needs no outbox goes on
        "Book.objects.create(title='d')\nassert Event.objects.count() == 1\n",
    )
    assert done.stderr.count("has no outbox tables") == 1
    assert "manage.py migrate --database=legacy" in done.stderr


def test_once_the_second_database_is_migrated_it_has_an_outbox_of_its_own(beside_legacy: Project) -> None:
    for alias in ("default", "legacy"):
        beside_legacy.manage("migrate", f"--database={alias}")
    beside_legacy.python("""
        from heliostat.outbox.models import Event
        from heliostat.testing import drain_outbox
        from heliostat.webhooks.models import Hook
        from shop.models import Book

        book = Book(title="a")
        book.save(using="legacy")
        hook = Hook(content_object=book, target="http://127.0.0.1:9/")
        hook.save()  # where hooks are, not where its object is
        assert (Hook.objects.get(), Hook.objects.using("legacy").count()) == (hook, 0)
        assert (Event.objects.count(), Event.objects.using("legacy").filter(resource="shop.book").count()) == (0, 1)
        assert drain_outbox("legacy")["sent"] > 0
    """)


def test_models_in_a_database_that_may_not_have_an_outbox_are_named_by_a_check(beside_legacy: Project) -> None:
    beside_legacy.configure('DATABASE_ROUTERS = ["routers.AppRouter", "routers.Silent"]')
    done = beside_legacy.manage("check")
    assert "heliostat.W033" in done.stderr
    assert "1 models (shop.book) are written to the database 'legacy'" in done.stderr
    assert "manage.py migrate --database=legacy" in done.stderr
    beside_legacy.configure('HELIOSTAT_SILENT = ["shop.*"]')
    assert "W033" not in beside_legacy.manage("check").stderr


def test_a_durable_subscriber_to_such_a_model_is_an_error(beside_legacy: Project) -> None:
    beside_legacy.configure("""
        DATABASE_ROUTERS = ["routers.AppRouter"]
        INSTALLED_APPS.append("heliostat.listeners")
        EVENT_LISTENERS = {
            "books": {
                "use": "heliostat.listeners.email", "recipients": "a@example.com",
                "resources": "shop.book", "when": "durable",
            },
        }
    """)
    beside_legacy.write(
        "shop/hooks.py",
        """
        from heliostat import on

        @on("shop.book.created", when="durable")
        def never(event):
            pass

        @on("shop.book.created")
        def here(event):
            pass
        """,
    )
    errors = beside_legacy.manage("check", fails=True).stderr
    assert "code:shop.hooks.never subscribes durably to 'shop.book.created'" in errors
    assert "listener:books subscribes durably to 'shop.book.created'" in errors
    assert "code:shop.hooks.here" not in errors
    beside_legacy.configure('from routers import AppRouter\nAppRouter.others = ("heliostat_outbox",)')
    beside_legacy.manage("check")


def test_a_hook_on_such_a_model_is_refused(beside_legacy: Project) -> None:
    beside_legacy.configure('DATABASE_ROUTERS = ["routers.AppRouter"]')
    for alias in ("default", "legacy"):
        beside_legacy.manage("migrate", f"--database={alias}")
    beside_legacy.python("""
        from heliostat.webhooks.api import create_hook
        from heliostat.webhooks.exceptions import InvalidModelError, InvalidSignalError
        from shop.models import Book

        for fields, error in (
            ({"signals": ["created"], "model": Book}, InvalidModelError),
            ({"signals": ["shop.book.created"]}, InvalidSignalError),
        ):
            try:
                create_hook(target_url="http://127.0.0.1:9/", **fields)
            except error as refused:
                assert "legacy" in str(refused)
            else:
                raise AssertionError(fields)
        create_hook(target_url="http://127.0.0.1:9/", signals=["*.created"])
        Book.objects.create(title="x")
    """)


def test_an_outbox_that_is_allowed_nowhere_is_an_error(beside_legacy: Project) -> None:
    beside_legacy.configure("""
        from routers import AppRouter
        DATABASE_ROUTERS = ["routers.AppRouter"]
        AppRouter.allow_migrate = lambda self, db, app_label, **hints: False
    """)
    assert "heliostat.E034" in beside_legacy.manage("check", fails=True).stderr


def test_hooks_apart_from_users_are_an_error_and_beside_them_they_work(folder: Path) -> None:
    for project in two(folder, "default", "auth_db"):
        project.configure("""
            from routers import AppRouter
            DATABASE_ROUTERS = ["routers.AppRouter"]
            AppRouter.apps = {"auth": "auth_db", "contenttypes": "auth_db"}
            AppRouter.others = ("heliostat_outbox",)
        """)
        errors = project.manage("check", fails=True).stderr
        assert errors.count("heliostat.E063") == 2
        assert "Route the app 'heliostat_webhooks' to the database 'auth_db'" in errors
        project.configure('AppRouter.apps["heliostat_webhooks"] = "auth_db"')
        project.manage("check")
        for alias in ("default", "auth_db"):
            project.manage("migrate", f"--database={alias}")
        with Receiver() as receiver:
            project.python(f"""
                from django.contrib.auth.models import User
                from heliostat.testing import drain_outbox
                from heliostat.webhooks import operations
                from heliostat.webhooks.api import create_hook
                from shop.models import Book

                ada = User.objects.create(username="ada")
                hook = create_hook(signals=["created"], target_url={receiver.url!r}, model=Book, user=ada)
                assert hook._state.db == "auth_db"
                Book.objects.create(title="x")
                assert drain_outbox()["sent"] > 0
                operations.ping(hook)
                assert drain_outbox("auth_db")["sent"] > 0
            """)
            assert [one.json["event_type"] for one in receiver.deliveries] == ["created", "ping"]


def test_routers_that_have_no_opinion_change_nothing(beside_legacy: Project) -> None:
    beside_legacy.configure('DATABASE_ROUTERS = ["routers.Silent"]')
    done = beside_legacy.manage("check")
    assert "heliostat.W033" not in done.stderr


@pytest.mark.skipif("postgresql" not in settings.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432")
def test_tests_of_a_project_with_a_mirror_see_what_they_publish(folder: Path) -> None:
    with database("postgresql", folder) as one:
        mirror = {**one, "TEST": {"MIRROR": "primary"}}
        one["TEST"]["DEPENDENCIES"] = []
        project = Project(folder, {"default": {}, "primary": one, "replica1": mirror})
        project.write("routers.py", PRIMARY_REPLICA.replace('random.choice(["replica1", "replica2"])', '"replica1"'))
        project.write("shop/hooks.py", EVERYTHING)
        project.configure("""
            DATABASE_ROUTERS = ["routers.PrimaryReplicaRouter"]
            INSTALLED_APPS.insert(2, "heliostat.hooks")
        """)
        project.write(
            "shop/tests.py",
            """
            from django.test import TransactionTestCase
            from heliostat.outbox.models import Event
            from shop.models import Book

            class Saving(TransactionTestCase):
                databases = {"primary", "replica1"}

                def test_it(self):
                    Book.objects.create(title="x")
                    book = Book.objects.get()
                    self.assertEqual(book._state.db, "replica1")
                    book.title = "y"
                    book.save()
                    self.assertEqual(Event.objects.filter(resource="shop.book").count(), 2)
            """,
        )
        assert "OK" in project.manage("test", "--noinput").stderr


STRICT = """
class StrictRouter:
    apps = ("shop", "auth", "contenttypes")
    fails = True

    def db_for_write(self, model, **hints):
        if self.fails and model._meta.app_label not in self.apps:
            raise LookupError(f"no database for {model._meta.label}")
        return "default"

    db_for_read = db_for_write
"""


def test_saves_work_where_a_router_raises_for_models_that_it_does_not_know(sqlite_project: Project) -> None:
    sqlite_project.configure("""
        INSTALLED_APPS.insert(2, "heliostat.hooks")
        DATABASE_ROUTERS = ["routers.StrictRouter"]
    """)
    sqlite_project.write("routers.py", STRICT)
    sqlite_project.write("shop/hooks.py", EVERYTHING)
    sqlite_project.manage("migrate", "--skip-checks")
    errors = sqlite_project.manage("check", fails=True).stderr
    assert "heliostat.E036" in errors
    assert "heliostat_outbox.event: LookupError('no database for heliostat_outbox.Event')" in errors
    done = sqlite_project.run(
        "-c",
        "import django; django.setup()\n"
        "from heliostat.outbox.models import Event\n"
        "from shop.models import Book\nfrom shop.hooks import heard\n"
        "book = Book.objects.create(title='a')\nbook.save()\nBook.objects.update(title='b')\nbook.delete()\n"
        "assert heard == ['shop.book.created', 'shop.book.updated', 'shop.book.updated', 'shop.book.deleted'], heard\n"
        "assert Event.objects.using('default').count() == 4\n",
    )
    assert done.stderr.count("no database for heliostat_outbox.Event") == 1


def test_hooks_stay_known_where_a_router_raises_for_a_while(beside_legacy: Project) -> None:
    beside_legacy.configure('DATABASE_ROUTERS = ["routers.StrictRouter"]')
    beside_legacy.write("routers.py", STRICT.replace('"default"', '"legacy"').replace("fails = True", "fails = False"))
    beside_legacy.manage("migrate", "--database=legacy")
    beside_legacy.python("""
        import time
        from heliostat.events.matching import registry
        from heliostat.outbox.models import Callback, Event
        from heliostat.webhooks.api import create_hook
        from routers import StrictRouter
        from shop.models import Book

        create_hook(signals=["created"], target_url="http://127.0.0.1:9/", model=Book)
        Book.objects.create(title="a")
        StrictRouter.fails = True
        time.sleep(1.5)
        Book.objects.create(title="b")
        StrictRouter.fails = False
        assert Event.objects.count() == 2
        assert Callback.objects.filter(subscriber__startswith="hook:").count() == 2
    """)


def test_tags_are_read_in_the_database_of_their_object(beside_legacy: Project) -> None:
    pytest.importorskip("taggit")
    beside_legacy.configure("""
        from routers import AppRouter
        INSTALLED_APPS += ["taggit", "tagged"]
        DATABASE_ROUTERS = ["routers.AppRouter"]
        AppRouter.allow_migrate = lambda self, db, app_label, **hints: True
    """)
    beside_legacy.write("tagged/__init__.py", "")
    beside_legacy.write(
        "tagged/models.py",
        """
        from django.db import models
        from taggit.managers import TaggableManager

        class Article(models.Model):
            tags = TaggableManager()
        """,
    )
    for alias in ("default", "legacy"):
        beside_legacy.manage("migrate", "--run-syncdb", f"--database={alias}")
    beside_legacy.python("""
        from heliostat.testing import captured_events
        from tagged.models import Article

        article = Article()
        article.save(using="legacy")
        with captured_events("tagged.article.*") as events:
            article.tags.add("red")
            one = Article.objects.using("legacy").prefetch_related("tags").get()
            one.tags.add("blue")
            one.tags.clear()
        changes = [event.changes["tags"] for event in events]
        assert changes == [([], [1]), ([1], [1, 2]), ([1, 2], [])], changes
    """)
