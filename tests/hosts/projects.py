"""Small Django projects, each in a folder and in processes of its own, on each of the databases."""

from __future__ import annotations

import os
import pprint
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings

ENGINE = ("heliostat.outbox", "heliostat.delivery", "heliostat.webhooks")
DJANGO = ("django.contrib.auth", "django.contrib.contenttypes")
ADMIN = (
    "django.contrib.admin",
    *DJANGO,
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
)
SETTINGS = """\
SECRET_KEY = "only for tests"
ALLOWED_HOSTS = ["*"]
USE_TZ = True
ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "/static/"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.0/8"]
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "loggers": {"heliostat": {"handlers": ["stderr"], "level": "WARNING"}},
}
"""
SHOP = """\
from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=50)
    price = models.DecimalField(max_digits=6, decimal_places=2, default=1)
    printed = models.DateTimeField(null=True)

    class Meta:
        app_label = "shop"
"""
MIGRATION = """\
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Book",
            [
                ("id", models.BigAutoField(primary_key=True, auto_created=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=50)),
                ("price", models.DecimalField(max_digits=6, decimal_places=2, default=1)),
                ("printed", models.DateTimeField(null=True)),
            ],
        )
    ]
"""


class Project:
    """A project in a folder: an app `shop` with a model `Book`, and what the test adds."""

    def __init__(self, folder: Path, databases: dict[str, Any], apps: tuple[str, ...] = (*DJANGO, *ENGINE)) -> None:
        self.folder = folder
        self.write("urls.py", "urlpatterns = []\n")
        self.write("shop/__init__.py", "")
        self.write("shop/models.py", SHOP)
        self.write("shop/migrations/__init__.py", "")
        self.write("shop/migrations/0001_initial.py", MIGRATION)
        listed = f"INSTALLED_APPS = {pprint.pformat([*apps, 'shop'])}\nDATABASES = {pprint.pformat(databases)}\n"
        self.write("settings.py", SETTINGS + listed)

    def write(self, path: str, text: str) -> None:
        """Write a file of the project."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), "utf-8")

    def configure(self, text: str) -> None:
        """Add lines to its settings."""
        with (self.folder / "settings.py").open("a") as file:
            file.write("\n" + textwrap.dedent(text))

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.folder), *filter(None, sys.path)])
        return {**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "settings", "PYTHONUNBUFFERED": "1"}

    def run(self, *command: str, fails: bool = False, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `python` with these arguments; the test fails where the exit code is not the expected one."""
        done = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert bool(done.returncode) is fails, f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def manage(self, *arguments: str, fails: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a management command."""
        return self.run("-m", "django", *arguments, fails=fails)

    def python(self, code: str, fails: bool = False) -> str:
        """Run statements in this project, once it is set up; return what they print."""
        done = self.run("-c", f"import django\ndjango.setup()\n{textwrap.dedent(code)}", fails=fails)
        return done.stderr if fails else done.stdout.strip()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[dict[str, Any]]:
    """An empty database of this kind (`sqlite`, `postgresql`, `mariadb`), as an entry of DATABASES."""
    name = f"heliostat_hosts_{secrets.token_hex(6)}"
    if kind == "sqlite":
        yield {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / f"{name}.sqlite3"),
            "OPTIONS": settings.SQLITE_OPTIONS,
        }
        return
    server = dict(settings.POSTGRESQL if kind == "postgresql" else settings.MARIADB)
    _execute(kind, server, f"CREATE DATABASE {name}" + (" CHARACTER SET utf8mb4" if kind == "mariadb" else ""))
    try:
        yield {**server, "NAME": name, "TEST": {"NAME": f"{name}_test"}}
    finally:
        _execute(kind, server, f"DROP DATABASE {name}" + (" WITH (FORCE)" if kind == "postgresql" else ""))


def _execute(kind: str, server: dict[str, Any], statement: str) -> None:
    if kind == "postgresql":
        import psycopg

        connection: Any = psycopg.connect(
            host=server["HOST"], user=server["USER"], password=server["PASSWORD"], dbname="postgres", autocommit=True
        )
    else:
        import MySQLdb

        connection = MySQLdb.connect(host=server["HOST"], user=server["USER"], password=server["PASSWORD"])
    cursor = connection.cursor()
    cursor.execute(statement)
    connection.close()
