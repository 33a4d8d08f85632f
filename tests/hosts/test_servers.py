"""Under gunicorn and uvicorn, with threads, forks and async views, what a request saves is published and delivered."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from heliostat.testing.receiver import Receiver
from tests.cli.running import free_port
from tests.hosts.projects import Project, database

pytestmark = pytest.mark.slow

VIEWS = """
from django.db import transaction
from django.http import HttpResponse
from django.urls import path
from shop.models import Book


def save(request):
    book = Book.objects.create(title="sync")
    book.title = "changed"
    book.save()
    return HttpResponse("ok")


async def asave(request):
    book = await Book.objects.acreate(title="async")
    book.title = "changed"
    await book.asave()
    await Book.objects.filter(pk=book.pk).afirst()
    return HttpResponse("ok")


urlpatterns = [path("save", save), path("asave", asave)]
"""
SERVERS = {
    "gunicorn": ("gunicorn", "wsgi:application", "--preload", "--workers=2", "--bind=127.0.0.1:{port}"),
    "gunicorn with threads": ("gunicorn", "wsgi:application", "--threads=4", "--bind=127.0.0.1:{port}"),
    "uvicorn": ("uvicorn", "asgi:application", "--port={port}", "--log-level=warning"),
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with views that save, on PostgreSQL where it is reachable, and connections that are kept."""
    kind = "postgresql" if "postgresql" in settings.DATABASES else "sqlite"
    with database(kind, tmp_path) as entry:
        project = Project(tmp_path, {"default": {**entry, "CONN_MAX_AGE": 60}})
        project.write("urls.py", VIEWS)
        for name in ("wsgi", "asgi"):
            project.write(
                f"{name}.py", f"from django.core.{name} import get_{name}_application as make\napplication = make()\n"
            )
        project.configure('MIDDLEWARE = ["heliostat.events.middleware.EventContextMiddleware"]')
        project.manage("migrate")
        yield project


@contextmanager
def served(project: Project, server: str) -> Iterator[str]:
    """The address of this project under a server."""
    module, *arguments = SERVERS[server]
    pytest.importorskip(module, reason=f"{module} is not installed")
    port = free_port()
    command = [sys.executable, "-m", module, *(argument.format(port=port) for argument in arguments)]
    with (project.folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=project.folder, env=project.environment, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def get(address: str, patience: float = 30) -> str:
    """Ask until the server is up."""
    until = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)


@pytest.mark.parametrize("server", SERVERS)
def test_what_requests_save_is_published_and_delivered(project: Project, server: str) -> None:
    with Receiver() as receiver:
        project.python(f"""
            from heliostat.webhooks.api import create_hook
            from shop.models import Book
            create_hook(signals=["created", "updated"], model=Book, target_url={receiver.url!r})
        """)
        with served(project, server) as address:
            for _ in range(3):
                assert get(f"{address}/save") == "ok"
                assert get(f"{address}/asave") == "ok"
        assert project.python("""
            import json
            from heliostat.outbox.models import Event
            from heliostat.testing import drain_outbox
            assert all(json.loads(event.context)["request"]["path"] in ("/save", "/asave")
                       for event in Event.objects.all())
            print(drain_outbox()["sent"])
        """) == "12"  # fmt: skip
        assert {one.json["object_serialization"]["title"] for one in receiver.deliveries} == {
            "sync",
            "async",
            "changed",
        }
