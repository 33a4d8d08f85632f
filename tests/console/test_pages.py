"""The frame of all pages: log-in, navigation, weight, errors."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from heliostat.alerts.models import BrokerQuery
from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target

LISTS = ["/", "/targets/", "/observations/", "/dataproducts/", "/alerts/query/list/"]
MAX_BYTES = 100_000
MAX_QUERIES = 16

pytestmark = pytest.mark.django_db


@pytest.fixture
def user(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ada", password="stars")


@pytest.fixture
def visitor(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def make_rows(user: User, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        target = Target.objects.create(name=f"Star {number}", ra=number % 360, dec=0)
        record = ObservationRecord.objects.create(
            target=target, facility="LCO", observation_id=str(number), status="PENDING"
        )
        DataProduct.objects.create(target=target, observation_record=record, data=f"{number}.csv")
        BrokerQuery.objects.create(name=f"Query {number}", broker="Catalogue", user=user)


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


@pytest.mark.parametrize("address", LISTS)
def test_a_page_is_light_when_empty_and_when_full(visitor: Client, user: User, address: str) -> None:
    assert len(visitor.get(address).content) < MAX_BYTES
    make_rows(user, 60)
    assert len(visitor.get(address).content) < MAX_BYTES


@pytest.mark.parametrize("address", LISTS)
def test_the_number_of_queries_does_not_grow_with_the_rows(visitor: Client, user: User, address: str) -> None:
    make_rows(user, 3)
    few = queries_of(visitor, address)
    make_rows(user, 20, start=3)
    assert queries_of(visitor, address) == few
    assert 2 < few <= MAX_QUERIES


def test_a_target_page_makes_as_many_queries_with_many_observations(visitor: Client, user: User) -> None:
    make_rows(user, 1)
    target = Target.objects.get()
    few = queries_of(visitor, f"/targets/{target.pk}/")
    for number in range(20):
        record = ObservationRecord.objects.create(target=target, facility="LCO", observation_id=f"x{number}")
        DataProduct.objects.create(target=target, observation_record=record, data=f"{number}.csv")
        target.extras.create(key=f"k{number}", value="v")
        target.aliases.create(name=f"alias {number}")
    assert queries_of(visitor, f"/targets/{target.pk}/") == few
    assert 2 < few <= MAX_QUERIES


@pytest.mark.parametrize("address", [*LISTS[1:], "/targets/create/", "/alerts/query/create/?broker=Catalogue"])
def test_a_page_asks_a_stranger_to_log_in(client: Client, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/?next=")


def test_a_stranger_sees_a_welcome_and_the_log_in(client: Client) -> None:
    assert b"/accounts/login/" in client.get("/").content


def test_logging_in_leads_to_the_page_that_was_asked_for(client: Client, user: User) -> None:
    response = client.post(
        "/accounts/login/?next=/targets/", {"username": "ada", "password": "stars", "next": "/targets/"}
    )
    assert response["Location"] == "/targets/"
    assert client.post("/accounts/logout/")["Location"] == "/"


def test_a_wrong_password_is_said_on_the_page(client: Client, user: User) -> None:
    response = client.post("/accounts/login/", {"username": "ada", "password": "moon"})
    assert b"alert-danger" in response.content


def test_the_navigation_names_each_part_and_the_admin_for_staff_only(visitor: Client, user: User) -> None:
    page = visitor.get("/").content.decode()
    for address in LISTS[1:]:
        assert f'href="{address}"' in page
    assert 'href="/admin/"' not in page
    user.is_staff = True
    user.save()
    assert 'href="/admin/"' in visitor.get("/").content.decode()


def test_nothing_is_loaded_from_elsewhere(visitor: Client) -> None:
    page = visitor.get("/").content.decode()
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_the_banner_says_that_durable_work_waits_for_a_worker(
    visitor: Client, django_capture_on_commit_callbacks: Any
) -> None:
    assert b"heliostat worker" not in visitor.get("/").content
    record = ObservationRecord.objects.create(
        target=Target.objects.create(name="M42"), facility="Simulated", observation_id="1"
    )
    with django_capture_on_commit_callbacks(execute=True):
        record.status = "COMPLETED"
        record.save()
    assert b"heliostat worker" in visitor.get("/targets/").content


@pytest.mark.parametrize("address", ["/nowhere/", "/targets/999/", "/observations/999/", "/dataproducts/999/"])
def test_what_is_not_there_is_a_404_in_the_house_style(visitor: Client, address: str) -> None:
    response = visitor.get(address)
    assert response.status_code == 404
    assert b"navbar" in response.content


def test_an_error_page_needs_nothing_that_could_fail_again() -> None:
    from django.template.loader import get_template

    assert "logged" in get_template("500.html").render()


def test_the_admin_lists_and_searches_every_model(client: Client, django_user_model: type[User]) -> None:
    admin = django_user_model.objects.create_superuser("root", password="x")
    client.force_login(admin)
    make_rows(admin, 2)
    for model in (
        "heliostat_targets/target",
        "heliostat_observations/observationrecord",
        "heliostat_dataproducts/dataproduct",
        "heliostat_alerts/brokerquery",
    ):
        assert client.get(f"/admin/{model}/?q=1").status_code == 200
        assert client.get(f"/admin/{model}/add/").status_code == 200


def test_no_model_lacks_its_migration() -> None:
    labels = ["heliostat_targets", "heliostat_observations", "heliostat_dataproducts", "heliostat_alerts"]
    call_command("makemigrations", *labels, check=True, dry_run=True)
