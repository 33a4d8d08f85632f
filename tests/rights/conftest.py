"""People of two teams, and what they own."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, User

from heliostat.rights.models import GroupManager


@pytest.fixture(autouse=True)
def as_a_new_project(settings: Any) -> None:
    """The other tests make public targets; here is what a new project does."""
    settings.HELIOSTAT_NEW_TARGETS = "group"


@pytest.fixture
def team(db: None) -> Group:
    return Group.objects.create(name="supernovae")


@pytest.fixture
def owner(team: Group) -> User:
    return member_of(team, "owner")


@pytest.fixture
def member(team: Group) -> User:
    return member_of(team, "member")


@pytest.fixture
def manager(team: Group) -> User:
    user = member_of(team, "manager")
    GroupManager.objects.create(group=team, user=user)
    return user


@pytest.fixture
def stranger(db: None) -> User:
    """A member of another team."""
    return member_of(Group.objects.create(name="asteroids"), "stranger")


def member_of(group: Group, name: str) -> User:
    user = User.objects.create_user(name, f"{name}@example.com")
    user.groups.add(group)
    return user
