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


TELLING = ("heliostat.outbox", "heliostat.delivery")
NEEDED = {
    "heliostat.webhooks": TELLING,
    "heliostat.hooks": TELLING,
    "heliostat.listeners": TELLING,
    "heliostat.queues": (*TELLING, "heliostat.listeners"),
    "heliostat.api": (*TELLING, "heliostat.webhooks"),
}


@pytest.mark.parametrize(("app", "missing"), [(app, missing) for app in NEEDED for missing in NEEDED[app]])
def test_an_app_that_nobody_could_be_told_by_names_what_is_missing(app: str, missing: str) -> None:
    there = [app, *(name for name in NEEDED[app] if name != missing)]
    code = PROJECT.format(apps=", ".join(map(repr, there)))
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
    assert f"ConfigurationError: {app} needs {missing} in INSTALLED_APPS, too." in done.stderr
