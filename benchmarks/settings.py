"""Settings of every process of the benchmark: database and applications are chosen by the environment."""

import json
import os

SECRET_KEY = "only for benchmarks"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    *json.loads(os.environ.get("BENCH_APPS", "[]")),
    "benchmarks",
]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGGING_CONFIG = None
DATABASES = {"default": json.loads(os.environ["BENCH_DATABASE"])}

EVENT_LISTENERS = json.loads(os.environ.get("BENCH_LISTENERS", "{}"))
HELIOSTAT_ALLOW_NETWORKS = ["127.0.0.0/8"]
HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER = int(os.environ.get("BENCH_PER_SUBSCRIBER", "50"))

if "django_webhook" in INSTALLED_APPS:
    import benchmarks.peers.queue  # noqa: F401  the Celery application must be there before the tasks are

DJANGO_WEBHOOK = {"MODELS": ["benchmarks.Vehicle"]}
DJANGO_OUTBOUND_WEBHOOKS = {"ALLOW_PRIVATE_ADDRESSES": True}
