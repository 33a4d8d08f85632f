"""Fixtures of the sweeps: a superuser who asks for every address, and posts every form."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client


@pytest.fixture
def unlogged() -> Iterator[None]:
    """Hundreds of answers of 404 are not logged."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def superuser(site_on: str, client: Client, django_user_model: type[User]) -> User:
    """A superuser, logged in; an exception in a view is an answer of 500."""
    user = django_user_model.objects.create_superuser("root", password="x")
    client.force_login(user)
    client.raise_request_exception = False
    return user
