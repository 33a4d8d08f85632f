"""The Celery application of django-webhook2; the settings import it, so that its task belongs to it."""

from __future__ import annotations

import os

from celery import Celery

app = Celery("benchmarks", broker=os.environ["BENCH_BROKER"])
app.conf.task_default_queue = os.environ["BENCH_QUEUE"]
app.conf.task_ignore_result = True
app.set_default()
