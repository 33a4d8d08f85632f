"""What `HELIOSTAT_SILENT` names is published to nobody, and everything beside it is."""

from __future__ import annotations

from typing import Any

import pytest

from heliostat import emit
from heliostat.events.types import is_observable, is_silenced
from heliostat.testing import captured_events
from tests.example.models import Depot, Vehicle

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("silent", ["created", "updated", "deleted", "crashed"])
def test_one_silenced_action_silences_no_other(silent: str, settings: Any) -> None:
    settings.HELIOSTAT_SILENT = [f"example.vehicle.{silent}"]
    with captured_events("*.*") as events:
        bus = Vehicle.objects.create(name="55")
        bus.name = "56"
        bus.save()
        emit("crashed", bus)
        bus.delete()
        Depot.objects.create(name="North")
    expected = [f"example.vehicle.{action}" for action in ("created", "updated", "crashed", "deleted")]
    expected.remove(f"example.vehicle.{silent}")
    assert [event.type for event in events] == [*expected, "example.depot.created"]
    assert not is_silenced(Vehicle)
    assert is_observable(Vehicle)


def test_a_model_is_silenced_by_a_pattern_or_by_all_its_actions(settings: Any) -> None:
    for silent in (["example.vehicle.*"], [f"example.vehicle.{each}" for each in ("created", "updated", "deleted")]):
        settings.HELIOSTAT_SILENT = silent
        assert is_silenced(Vehicle)
        assert not is_silenced(Depot)
        with captured_events("*.*") as events:
            Vehicle.objects.create(name="55").delete()
            Depot.objects.create(name="North")
        assert [event.type for event in events] == ["example.depot.created"]
