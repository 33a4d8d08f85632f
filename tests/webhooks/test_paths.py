"""Paths in a row lead to what is loaded, or to an app's signals and serializers; no row makes a module run."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db.models.signals import post_init

from heliostat.outbox.models import Callback
from heliostat.webhooks.api import create_hook, create_signal
from heliostat.webhooks.exceptions import InvalidPayloadError, InvalidSignalError
from heliostat.webhooks.models import Hook, Signal
from tests.example.models import Vehicle
from tests.example.signals import broken_down

pytestmark = pytest.mark.django_db

URL = "https://receiver.example.com/"


@pytest.mark.parametrize(
    "path",
    [
        "tests.example.dangerous.scripts.signal",
        "tests.example.dangerous.scripts.signals.signal",
        "os.signals.system",
        "antigravity.signals.x",
        "this.signals.x",
        "turtledemo.signals.clock",
        "django.db.models.signals",
        ".signals.x",
        "..signals.x",
    ],
)
def test_a_path_of_a_signal_makes_no_module_run(path: str) -> None:
    before = set(sys.modules)
    with pytest.raises(InvalidSignalError):
        create_signal(path)
    with pytest.raises(InvalidSignalError):
        create_hook(target_url=URL, model=Vehicle, signals=[path + ".signals.x"])
    assert not {"antigravity", "this", "turtledemo", "tests.example.dangerous.scripts"} & (set(sys.modules) - before)
    assert not Signal.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        "tests.example.dangerous.scripts.Serializer",
        "os.system",
        "subprocess.Popen",
        "antigravity.fly",
        "builtins.eval",
        "serializers.os.system",
        "tests.example.models.Vehicle",
        "nothing",
        ".",
    ],
)
def test_a_path_of_a_serializer_runs_nothing(path: str) -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        create_hook(target_url=URL, model=Vehicle, serializer_class=path)
    assert list(caught.value.message_dict) == ["serializer_class"]
    assert "antigravity" not in sys.modules
    assert "HELIOSTAT_TEST_SCRIPT_RAN" not in os.environ
    assert not Hook.objects.exists()


def test_what_an_app_names_for_its_purpose_is_found() -> None:
    path = "tests.example.serializers.VehicleSerializer"
    made = create_hook(
        target_url=URL, model=Vehicle, signals=["tests.example.late.signals.arrived"], serializer_class=path
    )
    assert made.pk


def test_what_is_loaded_already_is_found_wherever_it_is() -> None:
    assert create_signal("django.core.signals.request_finished").pk
    assert create_signal("django.contrib.auth.signals.user_logged_in").pk


@pytest.mark.parametrize(
    "path",
    [
        "django.db.models.signals.post_init",
        "django.db.models.signals.pre_init",
        "django.db.models.signals.class_prepared",
        "django.db.backends.signals.connection_created",
        "django.core.signals.setting_changed",
        "tests.example.late.signals.made",  # another name of post_init
    ],
)
def test_a_signal_whose_delivery_would_never_end_is_refused(path: str, settings: Any) -> None:
    with pytest.raises(InvalidSignalError, match="it is no event"):
        create_hook(target_url=URL, model=Vehicle, signals=[path])
    settings.HELIOSTAT_SIGNALS = [path]
    assert [message.id for message in run_checks(databases=[])] == ["heliostat.E003"]


def test_a_signal_that_is_sent_while_hooks_are_read_notifies_nobody() -> None:
    create_hook(target_url=URL, signals=["tests.example.signals.broken_down"])
    receive = lambda **_: broken_down.send(sender=None)  # noqa: E731  kept, for signals hold receivers weakly
    post_init.connect(receive, sender=Hook)
    try:
        broken_down.send(sender=None)
    finally:
        post_init.disconnect(receive, sender=Hook)
    assert Callback.objects.count() == 1
