"""Django's connection pool on PostgreSQL, down to one connection; psycopg2, and poolers that LISTEN does not pass."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from heliostat.testing.receiver import Receiver
from tests.hosts.projects import Project, database

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif("postgresql" not in settings.DATABASES, reason="no PostgreSQL at 127.0.0.1:5432"),
]
QUICK = {"max_size": 1, "min_size": 1, "timeout": 5}


@pytest.fixture
def pooled(tmp_path: Path) -> Iterator[Project]:
    """A project with a pool of one connection."""
    pytest.importorskip("psycopg_pool", reason="psycopg[pool] is not installed")
    with database("postgresql", tmp_path) as entry:
        project = Project(tmp_path, {"default": {**entry, "OPTIONS": {"pool": QUICK}}})
        project.configure('INSTALLED_APPS.insert(2, "heliostat.hooks")')
        project.write(
            "shop/hooks.py",
            """
            from heliostat import on

            @on("shop.book.created", when="durable")
            def heard(event):
                from shop.models import Book
                Book.objects.filter(pk=event.object_id).update(price=2)
            """,
        )
        project.manage("migrate")
        yield project


def test_a_worker_delivers_with_a_pool_of_one_connection(pooled: Project) -> None:
    with Receiver() as receiver:
        pooled.python(f"""
            from heliostat.webhooks.api import create_hook
            from shop.models import Book
            create_hook(signals=["created"], model=Book, target_url={receiver.url!r})
            for number in range(20):
                Book.objects.create(title=str(number))
        """)
        with (pooled.folder / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "django", "worker"],
                cwd=pooled.folder, env=pooled.environment, stdout=log, stderr=log,
            )  # fmt: skip
            try:
                receiver.wait_for(20, 30)
                pooled.python("from shop.models import Book\nBook.objects.create(title='later')")
                receiver.wait_for(21, 10)
            finally:
                worker.send_signal(signal.SIGTERM)
                assert worker.wait(20) == 0
        said = (pooled.folder / "worker.log").read_text()
        assert "out of reach" not in said, said
        assert "Timeout" not in said, said
        assert pooled.python("from shop.models import Book\nprint(Book.objects.filter(price=2).count())") == "21"


def test_threads_that_save_share_a_pool_of_one_connection(pooled: Project) -> None:
    printed = pooled.python("""
        import threading
        from django.db import connection
        from heliostat.outbox.models import Event
        from heliostat.webhooks.api import create_hook
        from shop.models import Book

        create_hook(signals=["created"], model=Book, target_url="http://127.0.0.1:9/")
        connection.close()

        def save():
            for number in range(10):
                Book.objects.create(title=str(number))
                connection.close()  # as Django does at the end of a request

        threads = [threading.Thread(target=save) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        print(Event.objects.filter(resource="shop.book").count())
    """)
    assert printed == "40"


def test_psycopg2_is_refused_by_a_check_that_names_the_remedy(tmp_path: Path) -> None:
    pytest.importorskip("psycopg2", reason="psycopg2 is not installed")
    project = Project(tmp_path, {"default": settings.POSTGRESQL})
    project.manage("check")
    project.configure('import sys\nsys.modules["psycopg"] = None  # as where only psycopg2 is installed')
    errors = project.manage("check", fails=True).stderr
    assert "heliostat.E033" in errors
    assert "psycopg[binary]" in errors
