"""Run by a test: a process that knows the hooks forks, as `gunicorn --preload` does, and its children save."""

from __future__ import annotations

import os
import sys

import django

django.setup()

from django.db import connections  # noqa: E402

from tests.example.models import Vehicle  # noqa: E402

Vehicle.objects.create(name="in the parent")  # it knows of no hooks, and watches
connections.close_all()
read, write = os.pipe()
if os.fork() == 0:
    for line in sys.stdin:
        Vehicle.objects.create(name=line.strip())
        print("saved", flush=True)
    os._exit(0)
os.wait()
