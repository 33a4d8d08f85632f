"""The hook points of the TOM: each runs once, after commit, with everything there."""

from __future__ import annotations

from typing import Any

import pytest

from heliostat import batch
from heliostat.hooks.points import all_points
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target
from heliostat.testing import run_after_commit

pytestmark = pytest.mark.django_db
POINTS = {
    "target_post_save": "targets",
    "observation_change_state": "observations",
    "data_product_post_upload": "dataproducts",
    "data_product_post_save": "dataproducts",
    "multiple_data_products_post_save": "dataproducts",
}

seen: list[Any] = []


def note_target(target: Target, created: bool) -> None:
    seen.append((str(target), created, [alias.name for alias in target.aliases.all()]))


def note_observation(observation: ObservationRecord, previous_status: str) -> None:
    seen.append((str(observation), previous_status, observation.status))


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@pytest.mark.parametrize("name", POINTS)
def test_each_hook_point_is_documented_and_has_a_default(name: str) -> None:
    point = all_points()[name]
    assert point.doc.startswith("Runs ")
    assert point.default == f"heliostat.{POINTS[name]}.hooks.{name}"


def test_a_target_s_hook_runs_once_for_a_program_with_its_aliases_there(settings: Any) -> None:
    settings.HOOKS = {"target_post_save": f"{__name__}.note_target"}
    with run_after_commit(), batch():
        target = Target.objects.create(name="m51")
        target.aliases.create(name="Whirlpool")
        target.save()
    with run_after_commit():
        target.save()
    assert seen == [("m51", True, ["Whirlpool"]), ("m51", False, ["Whirlpool"])]


def test_an_observation_s_hook_runs_only_when_its_state_changed(settings: Any) -> None:
    settings.HOOKS = {"observation_change_state": f"{__name__}.note_observation"}
    with run_after_commit():
        record = ObservationRecord.objects.create(
            target=Target.objects.create(name="M42"), facility="LCO", observation_id="1"
        )
        record.parameters = {"a": 1}
        record.save()
        record.status = "COMPLETED"
        record.save()
    assert seen == [("M42 @ LCO", "PENDING", "COMPLETED")]


def test_what_nobody_attached_to_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"), run_after_commit():
        record = ObservationRecord.objects.create(
            target=Target.objects.create(name="M42"), facility="LCO", observation_id="1"
        )
        record.status = "COMPLETED"
        record.save()
    assert "Target M42 was created" in caplog.messages
    assert "Observation M42 @ LCO changed state from PENDING to COMPLETED" in caplog.messages
