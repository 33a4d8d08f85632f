"""Settings of the tests: every app, on SQLite, and on PostgreSQL and MariaDB where they are reachable."""

import importlib.util
import os
import secrets
import socket
import tempfile
from importlib.util import find_spec
from pathlib import Path

SECRET_KEY = "only for tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
TIME_ZONE = "UTC"
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",  # Django 6.1 asks for it where a model has arrays and ranges
    "django_htmx",
    "js_lib_bootstrap5",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "heliostat.outbox",
    "heliostat.delivery",
    "heliostat.hooks",
    "heliostat.listeners",
    "heliostat.queues",
    "heliostat.webhooks",
    "heliostat.api",
    "heliostat.console",
    "guardian",
    "heliostat.rights",
    "heliostat.targets",
    "heliostat.observations",
    "heliostat.dataproducts",
    "heliostat.datapoints",
    "heliostat.alerts",
    *([] if find_spec("django.tasks") else ["django_tasks"]),  # Django 6 has its own
    "django_tasks_db",
    "tests.example",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "heliostat.events.middleware.EventContextMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
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
                "heliostat.console.context_processors.console",
            ],
        },
    },
]
STATIC_URL = "/static/"
LOGIN_URL = "/accounts/login/"
LOGIN_REDIRECT_URL = "/"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", "heliostat.rights.backend.Backend"]
ANONYMOUS_USER_NAME = None
HELIOSTAT_NEW_TARGETS = "public"  # who may view what is the subject of tests/rights alone
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"

HELIOSTAT_EVENT_TYPES = {
    "weather.station.storm": "A station measures a storm.",
    "weather.storm.began": "",
}
HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.0/8", "::1/128"]
TOM_ALERT_CLASSES = [
    "heliostat.alerts.brokers.catalogue.CatalogueBroker",
    "heliostat.alerts.brokers.alerce.ALeRCEBroker",
]
TOM_FACILITY_CLASSES = ["heliostat.observations.facilities.simulated.SimulatedFacility"]

IN_CI = os.environ.get("CI") == "true"


def reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 20,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
# Two runs of the tests at once do not share a database; the processes of one run inherit its name.
RUN = os.environ.setdefault("HELIOSTAT_TEST_RUN", secrets.token_hex(4))
# A file, not memory: workers have threads and connections of their own.
SQLITE_FILE = str(Path(tempfile.gettempdir()) / f"heliostat-tests-{RUN}.sqlite3")
MEDIA_ROOT = Path(tempfile.gettempdir()) / f"heliostat-tests-{RUN}-media"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": SQLITE_FILE,
        "OPTIONS": SQLITE_OPTIONS,
        "TEST": {"NAME": SQLITE_FILE},
    },
}
POSTGRESQL = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": os.environ.get("PGHOST", "127.0.0.1"),
    "USER": os.environ.get("PGUSER", "postgres"),
    "PASSWORD": os.environ.get("PGPASSWORD", ""),
    "NAME": "postgres",
    "TEST": {"NAME": f"heliostat_test_{RUN}"},
}
if reachable(5432) or IN_CI:  # in CI a missing service is a failure, not a reason to skip
    DATABASES["postgresql"] = POSTGRESQL
MARIADB = {
    "ENGINE": "django.db.backends.mysql",
    "HOST": os.environ.get("MYSQL_HOST", "127.0.0.1"),
    "USER": os.environ.get("MYSQL_USER", "root"),
    "PASSWORD": os.environ.get("MYSQL_PASSWORD", ""),
    "NAME": "test",
    "TEST": {"NAME": f"heliostat_test_{RUN}", "CHARSET": "utf8mb4"},
}
if IN_CI or (reachable(3306) and importlib.util.find_spec("MySQLdb")):  # `make mariadb` installs its client
    DATABASES["mariadb"] = MARIADB
