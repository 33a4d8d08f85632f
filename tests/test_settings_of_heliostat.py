"""Settings are checked when the project starts, with a hint; defaults work."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from heliostat.conf import Conf, Settings, conf


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
        ("HELIOSTAT_EXPOSE", {"example.vehicle": "api_token"}, "'example.vehicle' that must be a list of strings"),
        ("HELIOSTAT_EXPOSE", {7: ["api_token"]}, "models as keys"),
        ("HELIOSTAT_SITE_URL", None, "a string"),
        ("HELIOSTAT_SITE_URL", "tom.example.org", "http://"),
        ("HELIOSTAT_CA_FILE", "/no/such/file.pem", "a file that exists"),
        ("HELIOSTAT_ENCRYPTION_KEYS", [""], "at least 16 characters"),
        ("HELIOSTAT_RETRY_LONGEST", float("inf"), "at most"),
        ("HELIOSTAT_SECRET_OVERLAP", 1e18, "at most"),
        ("HELIOSTAT_LEASE", float("nan"), "at least 1"),
        ("HELIOSTAT_SIGNALS", 7, "list of strings"),
        ("HELIOSTAT_SILENT", [7], "list of strings"),
        ("HOOK_ELEMENT_DELIVERER", 7, "a string"),
    ],
)
def test_a_wrong_value_is_a_system_check(settings: Any, name: str, value: Any, words: str) -> None:
    setattr(settings, name, value)
    (message,) = [found for found in run_checks(databases=[]) if found.id == "heliostat.E001"]
    assert name in message.msg
    assert words in message.msg


@pytest.mark.parametrize("name", ["HELIOSTAT_ENCRYPTION_KEYS", "HELIOSTAT_METRICS_TOKEN"])
def test_what_a_wrong_secret_is_is_not_shown(settings: Any, name: str) -> None:
    setattr(settings, name, b"s3cr3t")
    (message,) = [found for found in run_checks(databases=[]) if found.id == "heliostat.E001"]
    assert name in message.msg
    assert "s3cr3t" not in message.msg


DEFAULTS = {setting.name: setting.default for setting in Settings.of_all_apps()}
OTHERS = ("HOOKS", "EVENT_LISTENERS", "HOOK_ALLOWED_MODELS", "TOM_ALERT_CLASSES", "TOM_FACILITY_CLASSES")


@pytest.mark.parametrize("wrong", [7, [[]], object()], ids=["number", "list", "object"])
@pytest.mark.parametrize("name", [*DEFAULTS, *OTHERS])
def test_no_check_fails_of_a_value_that_makes_no_sense(settings: Any, name: str, wrong: Any) -> None:
    setattr(settings, name, wrong)
    said = [found for found in run_checks(databases=[]) if name in found.msg]
    is_number = wrong == 7 and isinstance(DEFAULTS.get(name), (int, float)) and not isinstance(DEFAULTS[name], bool)
    assert said or is_number or name == "DJANGO_HTTP_HOOKS_RELOAD"


@pytest.mark.parametrize(
    ("mistyped", "meant"),
    [
        ("HELIOSTAT_MAX_ATTEMPT", "HELIOSTAT_MAX_ATTEMPTS"),
        ("DJANGO_HTTP_HOOKS_SHUTDOWN", "DJANGO_HTTP_HOOKS_SHUT_DOWN"),
        ("HOOK_ALOWED_MODELS", "HOOK_ALLOWED_MODELS"),
        ("HOOK_COLECTION_DELIVERER", "HOOK_COLLECTION_DELIVERER"),
        ("EVENT_LISTNERS", "EVENT_LISTENERS"),
        ("TOM_ALERTS_CLASSES", "TOM_ALERT_CLASSES"),
        ("TOM_ALERT_LIMITS", "TOM_ALERT_LIMIT"),
    ],
)
def test_an_unknown_setting_is_a_warning_with_the_nearest_name(settings: Any, mistyped: str, meant: str) -> None:
    setattr(settings, mistyped, 3)
    (message,) = [found for found in run_checks(databases=[]) if found.id == "heliostat.W001"]
    assert mistyped in message.msg
    assert f"Did you mean {meant}" in message.msg


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HELIOSTAT_SILENT", ["exmple.*"], "'exmple.*'. Did you mean example.*"),
        ("HELIOSTAT_SILENT", ["example.vehicle"], "'example.vehicle'. Did you mean example.vehicle.*"),
        ("HELIOSTAT_SILENT", ["example.vehicle.creatd"], "Did you mean example.vehicle.created"),
        ("HELIOSTAT_EXPOSE", {"example.vehicel": ["api_token"]}, "no model 'example.vehicel'. Did you mean example.v"),
        ("HELIOSTAT_EXPOSE", {"example.vehicle": ["api_tokn"]}, "no field 'api_tokn'. Did you mean api_token?"),
    ],
)
def test_a_mistyped_event_type_model_or_field_is_a_warning(settings: Any, name: str, value: Any, words: str) -> None:
    setattr(settings, name, value)
    (message,) = [found for found in run_checks(databases=[]) if found.id in ("heliostat.W002", "heliostat.W003")]
    assert words in message.msg


def test_what_exists_may_be_silenced_and_exposed(settings: Any) -> None:
    settings.HELIOSTAT_SILENT = [*Conf.silent.default, "example.*", "*.created", "weather.station.storm", "auth.user.*"]
    settings.HELIOSTAT_EXPOSE = {
        "example.Vehicle": ["api_token", "plan.key", "depot_id", "payload.key", "arguments.pin", "badge"],
        "weather.station": ["payload.key"],
    }
    assert not [found for found in run_checks(databases=[]) if found.id.startswith("heliostat.W00")]


def test_a_signal_that_does_not_exist_is_a_system_check(settings: Any) -> None:
    settings.HELIOSTAT_SIGNALS = ["tests.example.signals.broken_down", "tests.example.signals.missing"]
    (message,) = [found for found in run_checks(databases=[]) if found.id == "heliostat.E003"]
    assert "missing" in message.msg


def test_checks_run_once_where_a_test_changes_the_installed_apps(settings: Any) -> None:
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS]  # the apps are made ready again
    settings.HOOKS = {"vehicle_too_fast": "no.such.function"}
    assert [message.id for message in run_checks(databases=[])] == ["heliostat.E011"]
