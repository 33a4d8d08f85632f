"""`monitor_callbacks`: too many failed or waiting ones are an exit status of 1."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import connections
from django.utils import timezone

from heliostat.outbox.models import Callback
from tests.delivery.commands import Ran, run
from tests.outbox.callbacks import callbacks_for

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def monitor(using: str, *arguments: object) -> Ran:
    return run("monitor_callbacks", "--database", using, *arguments)


@pytest.mark.parametrize("status", ["error", "waiting"])
def test_more_than_the_limit_exits_with_1(using: str, status: str) -> None:
    for _ in range(3):
        callbacks_for(using, "hook:1", status=status)
    assert monitor(using, "--status", status, "--callbacks_limit", 2).code == 1
    assert monitor(using, "--status", status, "--callbacks_limit", 3).code == 0
    other = {"error": "waiting", "waiting": "error"}[status]
    assert monitor(using, "--status", other, "--callbacks_limit", 0).code == 0


def test_ten_are_well_where_no_limit_is_given(using: str) -> None:
    for _ in range(10):
        callbacks_for(using, "hook:1", status="error")
    assert monitor(using, "--status", "error").code == 0
    callbacks_for(using, "hook:1", status="error")
    assert monitor(using, "--status", "error").code == 1


def test_only_what_happened_in_the_last_minutes_counts_where_they_are_given(using: str) -> None:
    callbacks_for(using, "hook:1", status="error", updated_at=timezone.now() - timedelta(minutes=11))
    arguments = ("--status", "error", "--callbacks_limit", 0)
    assert monitor(using, *arguments, "--minutes_ago", 10).code == 0
    assert monitor(using, *arguments, "--minutes_ago", 12).code == 1
    assert monitor(using, *arguments).code == 1, "without them it is the whole table"


def test_it_says_whose_they_are_the_most_first(using: str) -> None:
    callbacks_for(using, "hook:1", "hook:2")
    callbacks_for(using, "hook:2")
    head, first, second = monitor(using, "--status", "waiting", "--callbacks_limit", 2).out.splitlines()
    assert head == "3 callbacks with status 'waiting'; that is more than the limit of 2."
    assert first.split()[:2] == ["2", "hook:2"]
    assert second.split()[:2] == ["1", "hook:1"]


def test_a_machine_can_read_it(using: str) -> None:
    (callback,) = callbacks_for(using, "hook:1")
    code, out, _ = monitor(using, "--status", "waiting", "--callbacks_limit", 0, "--json", "--verbosity", 0)
    assert code == 1
    assert json.loads(out) == {
        "status": "waiting",
        "minutes_ago": None,
        "callbacks_limit": 0,
        "callbacks": 1,
        "exceeded": True,
        "subscribers": [{"subscriber": "hook:1", "callbacks": 1, "oldest": callback.created_at.isoformat()}],
    }


def test_only_the_exit_status_speaks_where_silence_is_wished(using: str) -> None:
    callbacks_for(using, "hook:1")
    assert monitor(using, "--status", "waiting", "--callbacks_limit", 0, "--verbosity", 0) == (1, "", "")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--status", "sent"),
        ("--status", "error", "--callbacks_limit", "-1"),
        ("--status", "error", "--minutes_ago", "soon"),
        ("--status", "error", "--minutes_ago", "1e300"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(CommandError):
        monitor("default", *arguments)


@pytest.mark.parametrize(("status", "index"), [("error", "heliostat_error"), ("waiting", "heliostat_waiting")])
def test_what_is_watched_is_found_by_an_index(using: str, status: str, index: str) -> None:
    found: Any = Callback.objects.using(using).filter(status=status, updated_at__gte=timezone.now())
    with connections[using].cursor() as cursor:
        if using == "postgresql":
            cursor.execute("SET enable_seqscan = off")  # a table of a few rows is read whole
        try:
            assert index in found.order_by().explain()
        finally:
            if using == "postgresql":
                cursor.execute("RESET enable_seqscan")
