"""What INSTALLED_APPS has to hold is said when a project starts."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROJECT = """\
import django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", {apps}])
django.setup()
"""


ENGINE = ("heliostat.outbox", "heliostat.delivery")
NEEDED = {
    "heliostat.webhooks": ENGINE,
    "heliostat.hooks": ENGINE,
    "heliostat.listeners": ENGINE,
    "heliostat.queues": (*ENGINE, "heliostat.listeners"),
    "heliostat.api": (*ENGINE, "heliostat.webhooks"),
}


@pytest.mark.parametrize(("app", "missing"), [(app, missing) for app in NEEDED for missing in NEEDED[app]])
def test_an_app_that_could_notify_nobody_names_what_is_missing(app: str, missing: str) -> None:
    there = [app, *(name for name in NEEDED[app] if name != missing)]
    code = PROJECT.format(apps=", ".join(map(repr, there)))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert f"ConfigurationError: {app} needs {missing} in INSTALLED_APPS, too." in done.stderr


def test_queues_are_published_to_without_their_app() -> None:
    apps = ", ".join(map(repr, (*ENGINE, "heliostat.listeners")))
    code = PROJECT.format(apps=apps).replace("settings.configure(", "settings.configure(EVENT_LISTENERS=QUEUES, ") + (
        "from django.core.checks import run_checks\n"
        "from heliostat.delivery.kinds import kind_of\n"
        "print(run_checks(databases=[]), kind_of('queue:stream').name)\n"
    )
    section = {"use": "heliostat.queues.redis", "url": "redis://127.0.0.1:6379/0", "stream": "x"}
    code = f"QUEUES = {{'stream': {section}}}\n{code}"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[] queue\n", "")
