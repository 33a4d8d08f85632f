"""`delete_old_callbacks`: the command; what is deleted and what stays is in tests/outbox/test_retention.py."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from heliostat.delivery.management import outbox_command
from heliostat.delivery.management.commands import delete_old_callbacks
from heliostat.outbox.models import Callback, Event
from tests.delivery.commands import Ran, Terminal, run
from tests.outbox.callbacks import callbacks_for, ended

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def delete(using: str, *arguments: object, **streams: Any) -> Ran:
    return run("delete_old_callbacks", "--database", using, *arguments, **streams)


def test_what_is_still_waiting_is_never_deleted(using: str) -> None:
    callbacks_for(using, "hook:1", created_at=timezone.now() - timedelta(days=31))
    ended(using, "hook:1", days=31)
    assert delete(using, 30)[:2] == (0, "Deleted 1 callback, 1 attempt and 1 event.\n")
    assert delete(using, 0).out == "Deleted 0 callbacks, 0 attempts and 0 events.\n"
    assert Callback.objects.using(using).get().status == "waiting"


def test_it_says_beforehand_how_much_it_would_delete(using: str) -> None:
    ended(using, "hook:1", "hook:2", days=31)
    assert delete(using, 30, "--dry-run").out == "Would delete 2 callbacks, 2 attempts and 1 event.\n"
    assert (Callback.objects.using(using).count(), Event.objects.using(using).count()) == (2, 1)


def test_parts_of_a_day_count(using: str) -> None:
    ended(using, "hook:1", days=0.2)
    assert delete(using, 0.3, "--verbosity", 0) == (0, "", "")
    assert delete(using, 0.1).out.startswith("Deleted 1 callback,")


@pytest.mark.parametrize("days", ["-1", "-0.5", "soon", "nan", "inf", "1e300", "99999999"])
def test_days_that_make_no_sense_are_refused(days: str) -> None:
    ended("default", "hook:1", days=1)
    with pytest.raises(CommandError, match=r"no number from 0 on|no calendar"):
        delete("default", days)
    assert Callback.objects.exists()


def test_a_long_run_shows_a_person_how_far_it_is(monkeypatch: Any) -> None:
    real = delete_old_callbacks.delete_ended

    def slowly(*arguments: Any) -> Any:
        for rows in real(*arguments):
            yield rows
            time.sleep(0.3)

    monkeypatch.setattr(delete_old_callbacks, "delete_ended", slowly)
    monkeypatch.setattr(outbox_command, "EVERY", 0.1)
    ended("default", "hook:1", days=31)
    assert "] 1 of 1 callback\r" in delete("default", 30, err=Terminal()).err


@pytest.mark.parametrize(
    "command", ["send_callbacks", "monitor_callbacks", "resend_callbacks", "delete_old_callbacks", "worker"]
)
def test_each_command_has_help_with_an_example_and_is_heliostat_s_too(command: str) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "heliostat", command, "--help"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert f"\n  manage.py {command} " in done.stdout


def test_a_wrong_use_exits_with_2() -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-m", "heliostat", "delete_old_callbacks", "soon"],
        check=False,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert "'soon' is no number from 0 on" in done.stderr
