"""Who asks: a user with permission to view vehicles, another one, and staff."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

URL = "https://receiver.example.com/hooks"


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.default_format = "json"
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.get_or_create(user=user)[0].key}")
    return client


def user_who_may_view(name: str, *models: str) -> User:
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__in=[f"view_{model}" for model in models]))
    return user


@pytest.fixture
def ada(db: Any) -> User:
    return user_who_may_view("ada", "vehicle")


@pytest.fixture
def ben(db: Any) -> User:
    return user_who_may_view("ben", "vehicle")


@pytest.fixture
def staff(db: Any) -> User:
    """With every permission: `is_staff` alone is none."""
    return User.objects.create_superuser("sue")


@pytest.fixture
def as_ada(ada: User) -> APIClient:
    return client_of(ada)


@pytest.fixture
def as_ben(ben: User) -> APIClient:
    return client_of(ben)


@pytest.fixture
def as_staff(staff: User) -> APIClient:
    return client_of(staff)


def a_hook(client: APIClient, **fields: Any) -> dict[str, Any]:
    """A hook made over the API."""
    answer = client.post("/api/hooks/", {"model": "example.vehicle", "target_url": URL, **fields})
    assert answer.status_code == 201, answer.json()
    made: dict[str, Any] = answer.json()
    return made
