"""The main job, clicked through: log in, query, look at an alert, make targets, observe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target
from heliostat.testing import drain_outbox
from tests.browser.conftest import Window

# One process for all of them: one browser, one server.
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


@pytest.fixture(autouse=True)
def media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def ada(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ada", password="stars and planets")


def log_in(window: Window) -> None:
    window.open("/")
    window.looks_right("welcome")
    window.page.get_by_role("main").get_by_role("link", name="Log in").click()
    window.page.get_by_label("Username").fill("ada")
    window.page.get_by_label("Password").fill("stars and planets")
    window.looks_right("login")
    window.page.get_by_role("button", name="Log in").click()
    window.page.get_by_role("heading", name="Dashboard").wait_for()


def test_from_the_log_in_to_a_target(window: Window, ada: User) -> None:
    page = window.page
    log_in(window)
    window.open("/alerts/query/list/")
    page.get_by_role("link", name="Catalogue").click()
    page.get_by_label("Name of the query").fill("Bright supernovae of old")
    page.get_by_label("Brighter than").fill("4")
    window.looks_right("query-form")
    page.get_by_role("button", name="Save query").click()
    window.looks_right("queries")
    page.get_by_role("button", name="Run Bright supernovae of old").click()
    page.get_by_role("checkbox", name="Choose SN 1987A").check()
    page.get_by_role("checkbox", name="Choose SN 1604").check()
    window.looks_right("results")
    page.get_by_role("link", name="View").first.click()
    assert '"peak_magnitude"' in page.locator("pre").inner_text()
    window.looks_right("raw-alert")
    page.get_by_role("link", name="Back to the results").click()
    page.get_by_role("checkbox", name="Choose SN 1987A").check()
    page.get_by_role("checkbox", name="Choose SN 1604").check()
    page.get_by_role("button", name="Create targets", exact=True).click()
    page.get_by_role("heading", name="Targets").wait_for()
    page.get_by_role("status").filter(has_text="SN 1604, SN 1987A were created.").wait_for()
    window.looks_right("targets")
    page.locator("#targets").get_by_role("link", name="SN 1987A").click()
    page.get_by_role("heading", name="SN 1987A").wait_for()
    assert "05:35:" in page.get_by_role("main").inner_text()
    window.looks_right("target")
    assert Target.objects.filter(owner=ada).count() == 2


def test_from_a_target_to_its_light_curve(window: Window, ada: User) -> None:
    page = window.page
    target = Target.objects.create(name="SN 1987A", ra=83.86667, dec=-69.26972, owner=ada)
    target.aliases.create(name="AAVSO 0534-69")
    log_in(window)
    window.open(target.get_absolute_url())
    page.get_by_role("link", name="Observe at Simulated").click()
    page.get_by_label("Exposure time").fill("0")
    window.looks_right("observe")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("heading", name="SN 1987A @ Simulated").wait_for()
    call_command("updatestatus", verbosity=0)
    page.reload()
    page.get_by_text("Completed").wait_for()
    page.get_by_text("Durable work is waiting for a worker").wait_for()
    window.looks_right("waiting-for-a-worker")
    drain_outbox()
    page.reload()
    page.get_by_role("link", name="lightcurve").click()
    window.looks_right("data-product")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "SN_1987A_lightcurve.csv"
    assert ObservationRecord.objects.get().status == "COMPLETED"
    window.open("/")
    window.looks_right("dashboard")


def test_the_list_of_targets_follows_what_is_typed(window: Window, ada: User) -> None:
    page = window.page
    for name in ("M31", "M42", "NGC 4993"):
        Target.objects.create(name=name, ra=10, dec=10)
    log_in(window)
    window.open("/targets/")
    page.get_by_label("Name or alias").press_sequentially("ngc")
    page.locator("#targets").get_by_text("M42").wait_for(state="detached")
    assert page.url.endswith("q=ngc")
    page.go_back()
    page.locator("#targets").get_by_text("M42").wait_for()
    window.looks_right("targets-filtered")


def test_a_target_is_made_by_hand_with_the_keyboard_alone(window: Window, ada: User) -> None:
    page = window.page
    log_in(window)
    window.open("/targets/create/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    page.get_by_label("Name").first.focus()
    page.keyboard.type("M42")
    for text in ("", "05:35:17.3 -05:23:28"):
        page.keyboard.press("Tab")
        page.keyboard.type(text)
    window.looks_right("target-form")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="M42").wait_for()
    assert Target.objects.get().owner == ada


def test_what_is_wrong_is_shown_at_the_field(window: Window, ada: User) -> None:
    log_in(window)
    window.open("/targets/create/")
    window.page.get_by_role("button", name="Save").click()
    window.page.get_by_text("A sidereal target needs this.").first.wait_for()
    window.looks_right("target-form-errors")


def test_the_dark_theme_is_used_where_the_system_asks_for_it(window: Window) -> None:
    window.page.emulate_media(color_scheme="dark")
    window.open("/")
    assert window.page.locator("html").get_attribute("data-bs-theme") == "dark"
    window.looks_right("dark")
