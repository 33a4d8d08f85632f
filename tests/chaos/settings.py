"""Settings of processes that are killed: a database of their own, short leases."""

import os

from tests.settings import MARIADB, POSTGRESQL, SQLITE_OPTIONS

SECRET_KEY = "only for tests"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "rest_framework.authtoken",
    "heliostat.outbox",
    "heliostat.delivery",
    "heliostat.hooks",
    "heliostat.listeners",
    "heliostat.queues",
    "heliostat.webhooks",
    "tests.example",
]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.0/8"]
HELIOSTAT_LEASE = 2.0
HELIOSTAT_REQUEST_TIMEOUT = 1.0
HELIOSTAT_RETRY_FIRST = 0.1
HELIOSTAT_RETRY_LONGEST = 3.0
HELIOSTAT_BREAKER_FIRST = 0.2
HELIOSTAT_BREAKER_LONGEST = 2.0
HELIOSTAT_POLL = float(os.environ.get("CHAOS_POLL", "0.2"))
HELIOSTAT_MAX_ATTEMPTS = 50

NAME = os.environ["CHAOS_DATABASE"]
if NAME.endswith(".sqlite3"):
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": NAME, "OPTIONS": SQLITE_OPTIONS}}
else:
    SERVER = MARIADB if os.environ.get("CHAOS_VENDOR") == "mariadb" else POSTGRESQL
    OPTIONS = {"pool": {"min_size": 1, "max_size": 1, "timeout": 5}} if os.environ.get("CHAOS_POOL") else {}
    DATABASES = {"default": {**SERVER, "NAME": NAME, "OPTIONS": OPTIONS}}
