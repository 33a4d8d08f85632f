"""Classes that settings name: each way to get it wrong is a check with an id."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks

from heliostat.alerts.alerts import GenericAlert, GenericBroker
from heliostat.alerts.registry import brokers


class Nameless(GenericBroker):
    def fetch_alerts(self, parameters: Any) -> list[Any]:
        return []

    def to_generic_alert(self, alert: Any) -> GenericAlert:
        return GenericAlert(**alert)


class Twin(Nameless):
    name = "Catalogue"


CATALOGUE = "heliostat.alerts.brokers.catalogue.CatalogueBroker"


def problems(setting: str) -> list[Any]:
    prefix = {"TOM_ALERT_CLASSES": "heliostat.alerts.", "TOM_FACILITY_CLASSES": "heliostat.observations."}[setting]
    return [message for message in run_checks(databases=[]) if str(message.id).startswith(prefix)]


@pytest.mark.parametrize(
    ("value", "number", "words"),
    [
        (["heliostat.alerts.brokers.catalog.CatalogueBroker"], "E001", f"Did you mean {CATALOGUE}"),
        (["heliostat.alerts.brokers.catalogue.CatalogBroker"], "E001", f"Did you mean {CATALOGUE}"),
        (["no.such.module.Broker"], "E001", "Correct the path"),
        ([7], "E001", "Correct the path"),
        (CATALOGUE, "E001", "list of strings"),
        (["datetime.date"], "E002", "GenericBroker"),
        ([f"{__name__}.Nameless"], "E002", "name = 'Nameless'"),
        ([CATALOGUE, f"{__name__}.Twin"], "E003", "Rename"),
    ],
)
def test_a_wrong_broker_class_is_named_when_the_project_starts(
    settings: Any, value: Any, number: str, words: str
) -> None:
    settings.TOM_ALERT_CLASSES = value
    (problem,) = problems("TOM_ALERT_CLASSES")
    assert problem.id == f"heliostat.alerts.{number}"
    assert words in problem.hint


def test_a_wrong_facility_class_is_named_too(settings: Any) -> None:
    settings.TOM_FACILITY_CLASSES = ["heliostat.observations.facilities.simulated.SimulatedFacilty"]
    (problem,) = problems("TOM_FACILITY_CLASSES")
    assert problem.id == "heliostat.observations.E001"
    assert "SimulatedFacility" in problem.hint


def test_a_wrong_class_does_not_take_the_others_with_it(settings: Any) -> None:
    settings.TOM_ALERT_CLASSES = ["no.such.module.Broker", CATALOGUE]
    assert list(brokers.all()) == ["Catalogue"]


def test_the_default_settings_have_nothing_wrong() -> None:
    assert problems("TOM_ALERT_CLASSES") == problems("TOM_FACILITY_CLASSES") == []
