"""Sharing on pages: visibility, groups and rights, and what a page says of a name that is not shared."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.rights.visibility import may_view
from heliostat.targets.models import Target
from heliostat.testing import captured_events
from tests.targets.test_pages import form

pytestmark = pytest.mark.django_db

HIDDEN = "This name belongs to a target that is not shared with you."


def as_user(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_form_of_a_new_target_shares_it_with_the_groups_that_are_chosen(
    owner: User, team: Group, stranger: User
) -> None:
    page = as_user(owner).get("/targets/create/").content.decode()
    assert "supernovae" in page
    assert "asteroids" not in page
    as_user(owner).post("/targets/create/", form(name="M42", visibility="group", groups=[str(team.pk)]))
    as_user(owner).post("/targets/create/", form(name="M31", visibility="private"))
    assert list(Target.objects.get(name="M42").groups.all()) == [team]
    assert Target.objects.get(name="M31").visibility == "private"
    other = stranger.groups.get()
    answer = as_user(owner).post("/targets/create/", form(name="M33", visibility="group", groups=[str(other.pk)]))
    assert "is not one of the available choices" in answer.content.decode()
    assert "Choose at least one group" in as_user(owner).post(
        "/targets/create/", form(name="M33", visibility="group")
    ).content.decode()  # fmt: skip


def test_what_a_program_posts_without_a_visibility_has_the_default(owner: User, team: Group) -> None:
    as_user(owner).post("/targets/create/", form(name="M42"))
    target = Target.objects.get()
    assert (target.visibility, list(target.groups.all())) == ("group", [team])


def test_a_new_target_with_its_groups_is_one_event(owner: User, team: Group) -> None:
    with captured_events() as events:
        as_user(owner).post("/targets/create/", form(name="M42", visibility="group", groups=[str(team.pk)]))
    assert [event.type for event in events if event.resource == "targets.target"] == ["targets.target.created"]


def test_groups_of_others_stay_where_a_member_shares(owner: User, team: Group, stranger: User) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    other = stranger.groups.get()
    target.groups.add(other)
    answer = as_user(owner).post(
        f"/targets/{target.pk}/share/", {"action": "share", "visibility": "group", "groups": []}
    )
    assert answer.status_code == 302
    assert list(target.groups.all()) == [other]


@pytest.mark.parametrize("kind", ["targets", "observations", "dataproducts"])
def test_a_right_is_given_and_taken_away(kind: str, owner: User, member: User, stranger: User) -> None:
    target = Target.objects.create(name="M42", owner=owner, visibility="public")
    record = ObservationRecord.objects.create(
        target=target, user=owner, facility="F", observation_id="1", visibility="private"
    )
    product = DataProduct.objects.create(target=target, owner=owner, data="a.csv", visibility="private")
    obj: Any = {"targets": target, "observations": record, "dataproducts": product}[kind]
    if kind == "targets":
        Target.objects.update(visibility="private")
        obj.refresh_from_db()
    page = f"/{kind}/{obj.pk}/share/"
    assert as_user(stranger).get(page).status_code == 404
    answer = as_user(owner).post(page, {"action": "give", "username": "stranger", "right": "view"})
    assert answer["Location"] == page
    assert may_view(stranger, obj)
    assert as_user(stranger).get(page).status_code == 403
    shown = as_user(owner).get(page).content.decode()
    which = shown.partition('name="which" value="')[2].partition('"')[0]
    as_user(owner).post(page, {"action": "take", "which": which})
    assert not may_view(stranger, obj)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"username": "nobody", "right": "view"}, "There is no active user with this name."),
        ({"right": "view"}, "Name one user or one group."),
        ({"username": "stranger", "right": "x"}, "is not one of the available choices"),
    ],
)
def test_a_right_that_cannot_be_given_is_an_error_on_the_page(
    owner: User, stranger: User, fields: dict[str, str], said: str
) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    answer = as_user(owner).post(f"/targets/{target.pk}/share/", {"action": "give", **fields})
    assert said in answer.content.decode()


def test_a_manager_shares_but_cannot_give_a_right_to_delete(owner: User, manager: User, stranger: User) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    page = f"/targets/{target.pk}/share/"
    answer = as_user(manager).post(page, {"action": "give", "username": "stranger", "right": "delete"})
    assert "You do not have this right yourself." in answer.content.decode()
    as_user(manager).post(page, {"action": "give", "username": "stranger", "right": "change"})
    assert as_user(stranger).get(f"/targets/{target.pk}/edit/").status_code == 200


def test_a_name_of_a_hidden_target_is_refused_without_saying_whose_it_is(owner: User, stranger: User) -> None:
    target = Target.objects.create(name="Secret Nova", owner=owner)
    target.aliases.create(name="SN 2031x")
    client = as_user(stranger)
    for fields in (
        form(name="secret nova"), form(name="sn2031x"), form(name="M1", aliases=("SN-2031x",)),
    ):  # fmt: skip
        page = client.post("/targets/create/", fields).content.decode()
        assert HIDDEN in page
        assert f"/targets/{target.pk}/" not in page
    assert "Secret Nova" not in client.post("/targets/create/", form(name="sn2031x")).content.decode()
    assert "alias: Secret Nova" in as_user(owner).post("/targets/create/", form(name="sn2031x")).content.decode()


def test_an_alert_of_a_hidden_target_shows_nothing_of_it(owner: User, stranger: User) -> None:
    target = Target.objects.create(name="Secret Nova", owner=owner, ra=10, dec=20)
    query = BrokerQuery.objects.create(name="q", broker="Catalogue", user=stranger)
    alerts = [
        {"timestamp": "", "id": str(number), "name": name, "ra": 10, "dec": 20, "mag": None, "score": None, "url": "",
         "classification": "", "aliases": []}
        for number, name in enumerate(("Secret Nova", "Other"))
    ]  # fmt: skip
    rows = [{"raw": {}, "alert": alert, "problem": ""} for alert in alerts]
    run = AlertRun.objects.create(query=query, user=stranger, broker="Catalogue", rows=rows)
    client = as_user(stranger)
    assert f"/targets/{target.pk}/" not in client.get(run.get_absolute_url()).content.decode()
    page = client.post(f"{run.get_absolute_url()}create/", {"selected": ["0", "1"]}, follow=True).content.decode()
    assert HIDDEN in page
    assert f"/targets/{target.pk}/" not in page
    assert Target.objects.get(name="Other").owner == stranger
