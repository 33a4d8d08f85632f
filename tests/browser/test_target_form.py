"""The form of a target shows what the chosen type and scheme of elements need."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from heliostat.targets.models import Target
from tests.browser.conftest import Window

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("browser")]


@pytest.fixture(autouse=True)
def ada(window: Window, client: Client, django_user_model: type[User]) -> User:
    user = django_user_model.objects.create_user("ada", password="x")
    client.force_login(user)
    cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": window.site}
    window.page.context.add_cookies([cookie])  # type: ignore[list-item]
    return user


def test_the_fields_follow_the_type_and_the_scheme(window: Window) -> None:
    page = window.page
    window.open("/targets/create/")
    assert page.get_by_text("Motion and distance").is_visible()
    assert not page.get_by_text("Orbital elements").is_visible()
    page.get_by_label("Type").select_option("NON_SIDEREAL")
    assert not page.get_by_text("Motion and distance").is_visible()
    assert page.get_by_label("Perihelion distance").is_visible()
    page.get_by_label("Orbital element scheme").select_option("MPC_MINOR_PLANET")
    assert not page.get_by_label("Perihelion distance").is_visible()
    assert page.get_by_label("Semimajor axis").is_visible()
    window.looks_right("target-form-orbit")


def test_coordinates_are_copied_with_one_click(window: Window, ada: User) -> None:
    target = Target.objects.create(name="M 42", ra=83.82208, dec=-5.39111, owner=ada)
    window.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    window.open(target.get_absolute_url())
    window.page.get_by_role("button", name="Copy sexagesimal coordinates").click()
    window.page.get_by_text("Copied").wait_for()
    assert window.page.evaluate("navigator.clipboard.readText()") == target.sexagesimal
    window.looks_right("target-coordinates")
