"""`resend_callbacks`: all that was given up since a time, after it was asked."""

from __future__ import annotations

import builtins
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

from heliostat.delivery.management import outbox_command
from heliostat.outbox.models import Callback
from heliostat.outbox.transitions import GIVE_UP
from tests.delivery.commands import Ran, Terminal, run
from tests.outbox.callbacks import ended

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def resend(using: str, *arguments: object, **streams: Any) -> Ran:
    return run("resend_callbacks", "--database", using, *arguments, **streams)


def states(using: str) -> list[str]:
    return list(Callback.objects.using(using).order_by("id").values_list("status", flat=True))


@pytest.fixture
def answered(monkeypatch: Any) -> Any:
    """A person at a terminal, who gives these answers; what was asked is remembered."""

    def person(*answers: str) -> list[str]:
        asked: list[str] = []
        given = iter(answers)
        monkeypatch.setattr(sys, "stdin", Terminal())
        monkeypatch.setattr(builtins, "input", lambda question: (asked.append(question), next(given))[1])
        return asked

    return person


def test_all_that_was_given_up_since_then_waits_again(using: str) -> None:
    ended(using, "hook:1", outcome=GIVE_UP, days=3)
    ended(using, "hook:1", "hook:2", outcome=GIVE_UP)
    ended(using, "hook:1")
    code, out, _ = resend(using, "--minutes_ago", 60, "--yes")
    assert (code, out) == (0, "2 callbacks will be sent again.\n")
    assert states(using) == ["error", "waiting", "waiting", "sent"]


def test_only_those_of_one_hook_and_of_one_end(using: str) -> None:
    ended(using, "hook:1", "hook:2", outcome=GIVE_UP)
    ended(using, "hook:1")
    assert resend(using, "--minutes_ago", 60, "--hook_id", 2, "--yes").out == "1 callback will be sent again.\n"
    assert states(using) == ["error", "waiting", "sent"]
    assert resend(using, "--minutes_ago", 60, "--status", "sent", "--yes").out == "1 callback will be sent again.\n"
    assert states(using) == ["error", "waiting", "waiting"]


def test_it_says_how_many_there_are_and_changes_nothing(using: str) -> None:
    ended(using, "hook:1", outcome=GIVE_UP)
    yesterday = timezone.now() - timedelta(days=1)
    for since in (yesterday.isoformat(), f"{yesterday:%Y-%m-%dT%H:%M}"):
        assert resend(using, "--since", since, "--dry-run")[:2] == (0, "Would send 1 callback again.\n")
    assert resend(using, "--minutes_ago", 0)[:2] == (0, "Would send 0 callbacks again.\n"), "there is nothing to ask"
    assert states(using) == ["error"]


def test_a_person_is_asked_first(answered: Any) -> None:
    ended("default", "hook:1", outcome=GIVE_UP)
    asked = answered("", "n", "y")
    assert resend("default", "--minutes_ago", 60).code == 1
    assert resend("default", "--minutes_ago", 60).code == 1
    assert states("default") == ["error"]
    assert resend("default", "--minutes_ago", 60).code == 0
    assert states("default") == ["waiting"]
    assert asked == ["Send 1 callback again? [y/N] "] * 3


def test_where_nobody_can_be_asked_it_wants_to_be_notified(monkeypatch: Any) -> None:
    ended("default", "hook:1", outcome=GIVE_UP)
    with open("/dev/null") as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        with pytest.raises(CommandError, match="--yes"):
            resend("default", "--minutes_ago", 60)
    assert states("default") == ["error"]


def test_a_person_sees_how_far_it_is(monkeypatch: Any) -> None:
    monkeypatch.setattr(outbox_command, "WIDTH", 4)
    ended("default", "hook:1", "hook:2", outcome=GIVE_UP)
    assert resend("default", "--minutes_ago", 60, "--yes", err=Terminal()).err.endswith("\r[####] 2 of 2 callbacks\n")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--since", "yesterday"),
        ("--since", "2026-13-45T00:00"),
        ("--since", "0001-01-01T00:00:00+14:00"),
        ("--since", "9999-12-31T23:59:59-14:00"),
        ("--minutes_ago", 1, "--hook_id", 2**63),
        ("--minutes_ago", "-1"),
        ("--minutes_ago", "1e300"),
        ("--minutes_ago", 1, "--since", "2026-11-21T06:00"),
        ("--minutes_ago", 1, "--status", "waiting"),
        ("--minutes_ago", 1, "--yes", "--dry-run"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[object, ...]) -> None:
    with pytest.raises(CommandError):
        resend("default", *arguments)
