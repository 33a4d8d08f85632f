"""Settings are checked when the project starts, with a hint; defaults work."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from heliostat.conf import Conf, conf


def test_every_setting_has_a_default_that_passes_its_own_check_and_a_meaning() -> None:
    for setting in Conf.table():
        assert setting.problem(setting.default) is None, setting.name
        assert setting.meaning.endswith("."), setting.name


def test_a_setting_is_read_from_django_s_settings(settings: Any) -> None:
    assert conf.max_attempts == 12
    settings.HELIOSTAT_MAX_ATTEMPTS = 3
    assert conf.max_attempts == 3


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HELIOSTAT_MAX_ATTEMPTS", 0, "at least 1"),
        ("HELIOSTAT_MAX_ATTEMPTS", "many", "whole number"),
        ("HELIOSTAT_LEASE", True, "a number"),
        ("HELIOSTAT_ALLOW_NETWORKS", ["127.0.0.1/33"], "no network"),
        ("HELIOSTAT_ALLOW_NETWORKS", "127.0.0.0/8", "list of strings"),
        ("HELIOSTAT_EXPOSE", [], "a dict"),
        ("HELIOSTAT_SITE_URL", None, "a string"),
    ],
)
def test_a_wrong_value_is_a_system_check(settings: Any, name: str, value: Any, words: str) -> None:
    setattr(settings, name, value)
    (message,) = [found for found in run_checks(databases=[]) if found.id == "heliostat.E001"]
    assert name in message.msg
    assert words in message.msg


def test_an_unknown_setting_is_a_warning_with_the_nearest_name(settings: Any) -> None:
    settings.HELIOSTAT_MAX_ATTEMPT = 3
    (message,) = [found for found in run_checks(databases=[]) if found.id == "heliostat.W001"]
    assert "HELIOSTAT_MAX_ATTEMPTS" in message.msg


def test_a_signal_that_does_not_exist_is_a_system_check(settings: Any) -> None:
    settings.HELIOSTAT_SIGNALS = ["tests.example.signals.broken_down", "tests.example.signals.missing"]
    (message,) = [found for found in run_checks(databases=[]) if found.id == "heliostat.E003"]
    assert "missing" in message.msg
