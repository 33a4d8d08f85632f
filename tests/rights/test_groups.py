"""Groups: their managers add and remove members; nobody else does."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from heliostat.rights.models import GroupManager
from heliostat.rights.visibility import may_view
from heliostat.targets.models import Target
from tests.rights.test_sharing import as_user

pytestmark = pytest.mark.django_db


def test_a_manager_adds_a_member_who_then_views_what_is_shared(
    owner: User, manager: User, stranger: User, team: Group
) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    page = f"/groups/{team.pk}/"
    assert as_user(manager).post(page, {"action": "add", "username": "stranger"})["Location"] == page
    assert may_view(stranger, target)
    as_user(manager).post(page, {"action": "remove", "member": str(stranger.pk)})
    assert not may_view(User.objects.get(pk=stranger.pk), target)


def test_who_is_removed_manages_the_group_no_longer(owner: User, manager: User, team: Group) -> None:
    client: Client = as_user(manager)
    assert client.post(f"/groups/{team.pk}/", {"action": "remove", "member": str(manager.pk)})["Location"] == "/groups/"
    assert not GroupManager.objects.exists()
    assert client.get(f"/groups/{team.pk}/").status_code == 404


def test_a_member_sees_the_members_and_changes_nothing(owner: User, member: User, stranger: User, team: Group) -> None:
    client = as_user(member)
    page = client.get(f"/groups/{team.pk}/").content.decode()
    assert "owner" in page
    assert "Add a member" not in page
    assert client.post(f"/groups/{team.pk}/", {"action": "add", "username": "stranger"}).status_code == 403
    assert as_user(stranger).get(f"/groups/{team.pk}/").status_code == 404
    assert "supernovae" not in as_user(stranger).get("/groups/").content.decode()


@pytest.mark.parametrize("name", ["nobody", "", "\x00", "9" * 200])
def test_a_name_that_is_none_is_an_error_on_the_page(manager: User, team: Group, name: str) -> None:
    answer = as_user(manager).post(f"/groups/{team.pk}/", {"action": "add", "username": name})
    assert answer.status_code == 200
    assert "is-invalid" in answer.content.decode()
    assert as_user(manager).post(f"/groups/{team.pk}/", {"action": "remove", "member": "x"}).status_code == 200
