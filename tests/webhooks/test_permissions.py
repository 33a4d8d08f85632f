"""What a user may view is asked of Django's backends, and an answer never outlives what it was asked about."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.backends import BaseBackend
from django.contrib.auth.models import Permission, User
from django.db import connections, transaction

from heliostat.outbox.rendering import rendering
from heliostat.webhooks.permissions import forget_answers, may_be_sent
from tests.example.models import Depot, OldVehicle, Seat, Vehicle


class OfOneDepot(BaseBackend):
    """Grants what is asked about one object, as django-guardian does."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        return perm == "example.view_depot" and obj is not None and obj.name == "his"


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    forget_answers()


def granted(user: User, codename: str) -> None:
    user.user_permissions.add(Permission.objects.get(codename=codename))


@pytest.mark.django_db
def test_a_permission_a_superuser_and_an_inactive_user() -> None:
    user, other = User.objects.create_user("ada"), User.objects.create_superuser("root")
    assert not may_be_sent(user.pk, Vehicle)
    granted(user, "view_vehicle")
    assert may_be_sent(user.pk, Vehicle)
    assert may_be_sent(user.pk, OldVehicle), "a proxy is the model that it stands for"
    assert not may_be_sent(user.pk, Depot)
    assert may_be_sent(other.pk, Depot)
    User.objects.update(is_active=False)
    assert not may_be_sent(user.pk, Vehicle), "as the database has it, whatever the object in memory says"
    assert not may_be_sent(other.pk, Depot)
    key = user.pk
    user.delete()
    assert not may_be_sent(key, Vehicle)


@pytest.mark.django_db
def test_a_permission_for_one_object(settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, f"{__name__}.OfOneDepot"]
    user = User.objects.create_user("ada")
    his, other = Depot.objects.create(name="his"), Depot.objects.create(name="hers")
    assert may_be_sent(user.pk, Depot, his)
    assert not may_be_sent(user.pk, Depot, other)
    assert not may_be_sent(user.pk, Depot)


def rule(user: Any, model: Any, object_id: str) -> bool:
    return bool(user.username == "ada" and object_id in ("7", '["7", "A"]'))


@pytest.mark.django_db
def test_the_rule_of_a_site_is_asked_where_it_has_one(settings: Any) -> None:
    settings.HELIOSTAT_MAY_HOOK = f"{__name__}.rule"
    user = User.objects.create_user("ada")
    assert may_be_sent(user.pk, Depot, Depot(pk=7))
    assert not may_be_sent(user.pk, Depot, Depot(pk=8))
    assert may_be_sent(user.pk, Seat, Seat(row=7, letter="A")), "with a key as events spell it"


@pytest.mark.django_db
def test_inside_a_transaction_its_own_changes_count_at_once(django_assert_num_queries: Any) -> None:
    user = User.objects.create_user("ada")
    assert not may_be_sent(user.pk, Vehicle)
    granted(user, "view_vehicle")
    assert may_be_sent(user.pk, Vehicle)
    with rendering():
        assert may_be_sent(user.pk, Vehicle)
        with django_assert_num_queries(0):
            assert may_be_sent(user.pk, Vehicle)


@pytest.mark.django_db(transaction=True)
def test_an_answer_of_a_transaction_that_was_rolled_back_is_forgotten() -> None:
    user = User.objects.create_user("ada")
    with transaction.atomic():
        granted(user, "view_vehicle")
        assert may_be_sent(user.pk, Vehicle)
        transaction.set_rollback(True)
    assert not may_be_sent(user.pk, Vehicle)


@pytest.mark.django_db(transaction=True)
def test_a_committed_answer_is_kept_for_seconds(settings: Any, django_assert_num_queries: Any) -> None:
    settings.HELIOSTAT_PERMISSION_CACHE = 60
    user = User.objects.create_user("ada")
    with transaction.atomic():
        assert not may_be_sent(user.pk, Vehicle)
    with django_assert_num_queries(1):
        assert not may_be_sent(user.pk, Vehicle), "the user is read again, their permissions are not"
    settings.HELIOSTAT_PERMISSION_CACHE = 0
    granted(user, "view_vehicle")
    assert may_be_sent(user.pk, Vehicle)


@pytest.mark.django_db(transaction=True)
def test_a_user_who_got_the_key_of_another_gets_none_of_their_answers(settings: Any) -> None:
    settings.HELIOSTAT_PERMISSION_CACHE = 60
    user = User.objects.create_user("ada")
    granted(user, "view_vehicle")
    assert may_be_sent(user.pk, Vehicle)
    key = user.pk
    user.delete()
    assert not may_be_sent(User.objects.create_user("ada", pk=key).pk, Vehicle)
    assert not connections["default"].in_atomic_block
