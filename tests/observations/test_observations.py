"""Observation records, the simulated facility, and the status that follows from it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from heliostat.datapoints.models import PhotometryPoint
from heliostat.dataproducts.storing import save_from_facility
from heliostat.observations.facilities.simulated import SimulatedFacility, duration, light_curve
from heliostat.observations.facility import FacilityState
from heliostat.observations.models import ObservationRecord
from heliostat.observations.updating import update_status
from heliostat.targets.models import Target
from heliostat.testing import captured_events, subscribed
from tests.observations.facilities import Strict

pytestmark = pytest.mark.django_db
FACILITIES = ["heliostat.observations.facilities.simulated.SimulatedFacility"]
TEST_FACILITIES = [f"tests.observations.facilities.{name}" for name in ("Broken", "Strict")]


@pytest.fixture
def m42() -> Target:
    return Target.objects.create(name="M42", ra=83.822, dec=-5.391)


@pytest.fixture
def visitor(client: Client, django_user_model: type[User]) -> Client:
    client.force_login(django_user_model.objects.create_user("ada"))
    return client


def observe(target: Target, facility: str = "Simulated", **fields: Any) -> ObservationRecord:
    return ObservationRecord.objects.create(target=target, facility=facility, observation_id="1", **fields)


def updatestatus(*options: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("updatestatus", *options, stdout=out, stderr=err)
    except SystemExit as stopped:
        return int(str(stopped.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_a_program_needs_target_facility_id_and_status(m42: Target) -> None:
    record = observe(m42, "LCO", status="PENDING")
    record.full_clean()
    assert str(record) == "M42 @ LCO"
    assert record.parameters == {}


def test_the_admin_needs_nothing_else_either(client: Client, django_user_model: type[User], m42: Target) -> None:
    client.force_login(django_user_model.objects.create_superuser("root", password="x"))
    data = {"target": m42.pk, "facility": "LCO", "observation_id": "7", "status": "PENDING", "parameters": "{}"}
    client.post("/admin/heliostat_observations/observationrecord/add/", data)
    record = ObservationRecord.objects.get()
    with captured_events("observations.observationrecord.updated") as events:
        address = f"/admin/heliostat_observations/observationrecord/{record.pk}/change/"
        client.post(address, {**data, "status": "COMPLETED"})
    assert [event.changes["status"] for event in events] == [("PENDING", "COMPLETED")]


def test_parameters_that_are_left_empty_are_fine(client: Client, django_user_model: type[User], m42: Target) -> None:
    client.force_login(django_user_model.objects.create_superuser("root", password="x"))
    data = {"target": m42.pk, "facility": "LCO", "observation_id": "7", "status": "PENDING", "parameters": ""}
    client.post("/admin/heliostat_observations/observationrecord/add/", data)
    observe(m42, parameters=None)
    assert [record.parameters for record in ObservationRecord.objects.all()] == [{}, {}]


def test_a_facility_may_have_terminal_states_of_its_own(
    m42: Target, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TOM_FACILITY_CLASSES = TEST_FACILITIES
    monkeypatch.setattr(Strict, "terminal_states", frozenset({"WINDOW_EXPIRED"}))
    observe(m42, "Strict", status="WINDOW_EXPIRED")
    observe(m42, "Strict", status="COMPLETED")
    assert "1 asked, 1 changed" in updatestatus()[1]


def test_a_visitor_submits_an_observation_from_the_page_of_a_target(visitor: Client, m42: Target) -> None:
    page = visitor.get(m42.get_absolute_url()).content.decode()
    address = f"/observations/create/?target={m42.pk}&amp;facility=Simulated"
    assert address in page
    data = {"exposure_time": "60", "exposure_count": "2", "filter": "g"}
    response = visitor.post(address.replace("&amp;", "&"), data)
    record = ObservationRecord.objects.get()
    assert response["Location"] == f"/observations/{record.pk}/"
    assert (record.status, record.facility, record.user.username) == ("PENDING", "Simulated", "ada")  # type: ignore[union-attr]
    assert duration(record.parameters) == 120
    assert record.observation_id in visitor.get("/observations/?status=PENDING").content.decode()
    assert record.observation_id not in visitor.get("/observations/?status=COMPLETED").content.decode()


def test_what_the_facility_cannot_do_is_said_on_the_form(visitor: Client, m42: Target, settings: Any) -> None:
    settings.TOM_FACILITY_CLASSES = FACILITIES + TEST_FACILITIES
    data = {"exposure_time": "60", "exposure_count": "2", "filter": "g"}
    page = visitor.post(f"/observations/create/?target={m42.pk}&facility=Broken", data).content.decode()
    assert "the &lt;b&gt;dome&lt;/b&gt; is closed" in page
    page = visitor.post(f"/observations/create/?target={m42.pk}&facility=Simulated", {"exposure_time": "-1"})
    assert b"greater than or equal to 0" in page.content
    assert not ObservationRecord.objects.exists()


@pytest.mark.parametrize("query", ["", "?target=x&facility=Simulated", "?target=99&facility=Simulated"])
def test_an_observation_of_nothing_is_a_404(visitor: Client, query: str) -> None:
    assert visitor.get(f"/observations/create/{query}").status_code == 404


def test_an_unknown_facility_is_a_404(visitor: Client, m42: Target) -> None:
    assert visitor.get(f"/observations/create/?target={m42.pk}&facility=Hubble").status_code == 404


def test_a_simulated_observation_progresses_with_time(m42: Target) -> None:
    record = observe(m42, parameters={"exposure_time": 60, "exposure_count": 1})
    assert "1 asked, 0 changed" in updatestatus()[1]
    assert ObservationRecord.objects.get().status == "PENDING"
    earlier = timezone.now() - timedelta(seconds=61)
    ObservationRecord.objects.update(created=earlier, scheduled_start=earlier)
    code, out, _err = updatestatus()
    record.refresh_from_db()
    assert code == 0
    assert "M42 @ Simulated (1): PENDING -> COMPLETED" in out
    assert record.status == "COMPLETED"
    assert record.scheduled_end == earlier + timedelta(seconds=60)
    assert "0 asked" in updatestatus()[1]


def test_a_change_of_state_is_published_once_with_the_previous_one(m42: Target) -> None:
    observe(m42)
    with captured_events("observations.observationrecord.updated") as events:
        updatestatus()
        updatestatus()
    assert [event.changes["status"] for event in events] == [("PENDING", "COMPLETED")]


def test_one_that_fails_stops_nobody_and_is_named(m42: Target, settings: Any) -> None:
    settings.TOM_FACILITY_CLASSES = FACILITIES + TEST_FACILITIES
    for facility in ("Broken", "Simulated", "Strict", "LCO"):
        observe(m42, facility)
    code, out, err = updatestatus()
    assert code == 1
    assert "M42 @ Broken (1): failed. ConnectionError: the line is dead" in err
    assert "M42 @ LCO (1): skipped" in out
    assert "4 asked, 2 changed, 1 skipped, 1 failed" in out
    states = dict(ObservationRecord.objects.values_list("facility", "status"))
    assert states == {"Broken": "PENDING", "Simulated": "COMPLETED", "Strict": "SCHEDULED", "LCO": "PENDING"}


def test_a_facility_that_does_not_exist_is_named_with_the_nearest(m42: Target) -> None:
    with pytest.raises(CommandError, match="Did you mean Simulated"):
        updatestatus("--facility", "Simulatd")
    observe(m42, "Gone")
    assert updatestatus("--facility", "Gone")[1].endswith("1 asked, 0 changed, 1 skipped, 0 failed\n")


def test_the_facilities_asked_can_be_narrowed_down(m42: Target, settings: Any) -> None:
    settings.TOM_FACILITY_CLASSES = FACILITIES + TEST_FACILITIES
    observe(m42, "Broken")
    assert updatestatus("--facility", "Simulated") == (0, "0 asked, 0 changed, 0 skipped, 0 failed\n", "")


def test_a_state_that_somebody_else_has_changed_meanwhile_is_not_overwritten(m42: Target) -> None:
    record = observe(m42)
    ObservationRecord.objects.update(status="CANCELED")
    update_status(record)
    assert ObservationRecord.objects.get().status == "CANCELED"


def test_who_refuses_the_change_of_state_is_shown_as_its_failure(m42: Target) -> None:
    def refuse(event: Any) -> None:
        raise ValueError("not yet")

    observe(m42)
    with subscribed(refuse, "observations.observationrecord.updated", when="in_transaction"):
        code, _out, err = updatestatus()
    assert code == 1
    assert "not yet" in err
    assert ObservationRecord.objects.get().status == "PENDING"


@pytest.mark.parametrize("parameters", [{}, {"exposure_time": "x"}, {"exposure_time": 1e308, "exposure_count": 100}])
def test_any_parameters_have_a_duration(parameters: dict[str, Any]) -> None:
    assert 0 <= duration(parameters) < 1e8


def test_a_light_curve_is_the_same_for_the_same_name_and_brightest_at_its_peak() -> None:
    end = datetime(2026, 12, 1, tzinfo=UTC)  # MJD 61375
    assert light_curve("M42", "r", end) == light_curve("M42", "r", end) != light_curve("M43", "r", end)
    rows = [line.split(",") for line in light_curve("M42", "r", end).decode().splitlines()[1:]]
    brightest = min(rows, key=lambda row: float(row[2]))
    assert float(brightest[0]) == pytest.approx(61375 - 60, abs=2)


@pytest.mark.django_db(transaction=True)
def test_the_light_curve_of_the_simulated_facility_is_read_as_photometry(m42: Target) -> None:
    record = observe(m42, status="COMPLETED")
    (product,) = save_from_facility(record, list(SimulatedFacility().data_products(record)))
    product.refresh_from_db()
    assert product.problem == ""
    assert PhotometryPoint.objects.filter(target=m42).count() == 36


def test_pages_show_parameters_escaped(visitor: Client, m42: Target) -> None:
    record = observe(m42, parameters={"note": "<script>"})
    page = visitor.get(record.get_absolute_url()).content.decode()
    assert "&lt;script&gt;" in page


class EditedMeanwhile(Strict):
    """Somebody edits the observation while this facility is asked."""

    name = "Edited"
    edit: Any = {}

    def status(self, observation: ObservationRecord) -> FacilityState:
        ObservationRecord.objects.filter(pk=observation.pk).update(**self.edit)
        start = timezone.now().replace(microsecond=0)
        return FacilityState("SCHEDULED", start, start + timedelta(hours=1))


def test_what_somebody_edited_meanwhile_is_neither_written_back_nor_published(
    m42: Target, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TOM_FACILITY_CLASSES = ["tests.observations.test_observations.EditedMeanwhile"]
    record = observe(m42, "Edited", parameters={"filter": "r"})
    by_hand = timezone.now().replace(microsecond=0) - timedelta(days=1)
    edit = {"parameters": {"filter": "g"}, "observation_id": "7", "scheduled_start": by_hand}
    monkeypatch.setattr(EditedMeanwhile, "edit", edit)
    with captured_events() as events:
        update = update_status(record)
    assert update.is_changed
    record.refresh_from_db()
    assert (record.parameters, record.observation_id, record.scheduled_start) == ({"filter": "g"}, "7", by_hand)
    assert (record.status, record.scheduled_end is None) == ("SCHEDULED", False)
    changes = [event.changes for event in events if event.type == "observations.observationrecord.updated"][-1]
    assert set(changes) == {"status", "scheduled_end", "modified"}
    assert list(changes["status"]) == ["PENDING", "SCHEDULED"]


def test_the_hook_of_a_state_runs_for_the_one_that_is_stored(
    m42: Target, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings.TOM_FACILITY_CLASSES = ["tests.observations.test_observations.EditedMeanwhile"]
    record = observe(m42, "Edited")
    monkeypatch.setattr(EditedMeanwhile, "edit", {"status": "CANCELED"})
    with captured_events() as events:
        assert not update_status(record).is_changed
    record.refresh_from_db()
    assert record.status == "CANCELED"
    assert [event.changes["status"] for event in events if "SCHEDULED" in event.changes.get("status", ())] == []


def test_the_admin_writes_what_was_changed_in_the_form(
    client: Client, django_user_model: type[User], m42: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.force_login(django_user_model.objects.create_superuser("root", password="x"))
    record = observe(m42, "LCO")
    written: list[Any] = []
    monkeypatch.setattr(ObservationRecord, "save", lambda self, **options: written.append(options.get("update_fields")))
    data = {"target": m42.pk, "facility": "LCO", "observation_id": "1", "status": "COMPLETED", "parameters": "{}"}
    data["initial-parameters"] = "{}"  # which the page sends
    client.post(f"/admin/heliostat_observations/observationrecord/{record.pk}/change/", data)
    assert written == [["status", "modified"]]
