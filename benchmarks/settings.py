"""Settings of the benchmark: the database is chosen by the environment."""

import os

SECRET_KEY = "only for benchmarks"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "heliostat.outbox",
    "heliostat.delivery",
    "heliostat.hooks",
    "heliostat.listeners",
    "heliostat.webhooks",
    "tests.example",
]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.0/8"]
HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = 200
LOGGING_CONFIG = None

if os.environ.get("BENCH_DATABASE", "sqlite") == "postgresql":
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ.get("PGHOST", "127.0.0.1"),
            "USER": os.environ.get("PGUSER", "postgres"),
            "PASSWORD": os.environ.get("PGPASSWORD", ""),
            "NAME": os.environ.get("BENCH_NAME", "heliostat_bench"),
        }
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCH_NAME"],
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
        }
    }
