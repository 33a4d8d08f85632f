"""Who may view, change, delete and share: for one object by `has_perm`, and in lists by the same rules."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from guardian.shortcuts import assign_perm

from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.rights.visibility import may_view
from heliostat.targets.models import Target
from tests.rights.conftest import member_of

pytestmark = pytest.mark.django_db(databases="__all__")

VERBS = ("view", "change", "share", "delete")


def rights_of(user: Any, obj: Any) -> set[str]:
    name = obj._meta.model_name
    return {verb for verb in VERBS if user.has_perm(f"{obj._meta.app_label}.{verb}_{name}", obj)}


def test_a_new_target_is_for_its_owner_and_the_groups_of_its_owner(
    owner: User, member: User, manager: User, stranger: User
) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    assert target.visibility == "group"
    assert rights_of(owner, target) == {"view", "change", "share", "delete"}
    assert rights_of(manager, target) == {"view", "change", "share"}
    assert rights_of(member, target) == {"view"}
    assert rights_of(stranger, target) == rights_of(AnonymousUser(), target) == set()


def test_targets_made_in_bulk_are_shared_in_the_same_way(owner: User, member: User, stranger: User) -> None:
    other = Target(name="M1", owner=stranger)
    Target.objects.bulk_create([Target(name="M42", owner=owner), other, Target(name="M31", owner=owner)])
    assert set(Target.objects.visible_to(member).values_list("name", flat=True)) == {"M42", "M31"}
    assert list(Target.objects.visible_to(stranger)) == [other]


def test_a_target_stays_with_the_groups_that_its_owner_had_then(owner: User, member: User, stranger: User) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    owner.groups.set(stranger.groups.all())
    target.save()
    assert rights_of(member, target) == {"view"}
    assert rights_of(stranger, target) == set()


@pytest.mark.parametrize(
    ("visibility", "seeing"), [("private", ""), ("group", "member"), ("public", "member stranger")]
)
def test_the_setting_says_who_may_view_a_new_target(
    settings: Any, owner: User, member: User, stranger: User, visibility: str, seeing: str
) -> None:
    settings.HELIOSTAT_NEW_TARGETS = visibility
    target = Target.objects.create(name="M42", owner=owner)
    assert [user.username for user in (member, stranger) if may_view(user, target)] == seeing.split()


def test_a_target_without_an_owner_is_for_users_with_the_permission(member: User) -> None:
    target = Target.objects.create(name="M42")
    assert not may_view(member, target)
    member.user_permissions.add(Permission.objects.get(codename="view_target"))
    assert may_view(User.objects.get(pk=member.pk), target)
    assert list(Target.objects.visible_to(User.objects.get(pk=member.pk))) == [target]


@pytest.mark.parametrize("right", VERBS)
@pytest.mark.parametrize("to_group", [False, True])
def test_a_right_of_a_user_or_group_is_an_exception(owner: User, stranger: User, right: str, to_group: bool) -> None:
    target = Target.objects.create(name="M42", owner=owner, visibility="private")
    assign_perm(f"{right}_target", stranger.groups.get() if to_group else stranger, target)
    assert rights_of(stranger, target) == {"view", right}
    assert list(Target.objects.visible_to(stranger)) == [target]


def test_an_inactive_user_has_no_rights(owner: User) -> None:
    target = Target.objects.create(name="M42", owner=owner, visibility="public")
    owner.is_active = False
    assert rights_of(owner, target) == set()
    assert not owner.has_perm("heliostat_targets.add_target")
    assert not Target.objects.visible_to(owner).exists()


def test_visitors_view_what_is_public_where_the_setting_says_so(settings: Any, owner: User) -> None:
    public = Target.objects.create(name="M42", owner=owner, visibility="public")
    Target.objects.create(name="M31", owner=owner)
    assert not Target.objects.visible_to(AnonymousUser()).exists()
    assert not may_view(AnonymousUser(), public)
    settings.HELIOSTAT_OPEN_READ = True
    assert list(Target.objects.visible_to(AnonymousUser())) == [public]
    assert may_view(AnonymousUser(), public)


def test_every_active_user_may_add_unless_the_setting_says_otherwise(settings: Any, member: User) -> None:
    names = (
        "heliostat_targets.add_target",
        "heliostat_observations.add_observationrecord",
        "heliostat_dataproducts.add_dataproduct",
    )
    assert all(map(member.has_perm, names))
    assert not any(map(AnonymousUser().has_perm, names))
    settings.HELIOSTAT_USERS_MAY_ADD = False
    assert not any(map(member.has_perm, names))


def test_an_observation_is_added_only_to_a_target_that_is_viewed(owner: User, member: User, stranger: User) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    name = "heliostat_observations.add_observationrecord"
    assert [user.has_perm(name, target) for user in (owner, member, stranger)] == [True, True, False]


def test_an_observation_follows_its_target_and_belongs_to_its_observer(
    owner: User, member: User, manager: User, stranger: User
) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    record = ObservationRecord.objects.create(target=target, user=member, facility="Simulated", observation_id="1")
    assert rights_of(member, record) == {"view", "change", "share", "delete"}
    assert rights_of(owner, record) == {"view"}
    assert rights_of(manager, record) == {"view", "change", "share"}
    assert rights_of(stranger, record) == set()


def test_a_private_observation_of_a_public_target_and_its_data_are_the_observer_s(owner: User, member: User) -> None:
    target = Target.objects.create(name="M42", owner=owner, visibility="public")
    record = ObservationRecord.objects.create(
        target=target, user=member, facility="Simulated", observation_id="1", visibility="private"
    )
    data = DataProduct.objects.create(target=target, observation_record=record, owner=member, data="a.csv")
    released = DataProduct.objects.create(
        target=target, observation_record=record, owner=member, data="b.csv", visibility="public"
    )
    assert (may_view(owner, record), may_view(owner, data), may_view(owner, released)) == (False, False, True)
    assert may_view(member, record)
    assert may_view(member, data)


def test_what_is_public_of_a_private_target_shows_it_to_nobody(owner: User, stranger: User) -> None:
    target = Target.objects.create(name="M42", owner=owner)
    record = ObservationRecord.objects.create(
        target=target, user=owner, facility="Simulated", observation_id="1", visibility="public"
    )
    assign_perm("view_observationrecord", stranger, record)
    assert not may_view(stranger, record)
    assert not ObservationRecord.objects.visible_to(stranger).exists()


@pytest.mark.sweep
def test_a_list_shows_exactly_what_may_be_viewed(site_on: str, settings: Any, request: pytest.FixtureRequest) -> None:
    """Every combination of visibilities, groups and rights, for every user: the condition in SQL and the rule agree."""
    names = ("team", "owner", "member", "manager", "stranger")
    team, owner, member, manager, stranger = (request.getfixturevalue(name) for name in names)
    everything = everything_of(owner, member, team, stranger)
    settings.HELIOSTAT_OPEN_READ = True
    for user in (owner, member, manager, stranger, AnonymousUser()):
        for model, objects in everything.items():
            shown = set(model._default_manager.visible_to(user).values_list("pk", flat=True))
            assert shown == {one.pk for one in objects if may_view(user, one)}, (user, model)
            assert shown
            assert len(shown) < len(objects) or user == owner


def everything_of(owner: User, observer: User, team: Group, stranger: User) -> dict[Any, list[Any]]:
    targets, records, products = [], [], []
    for number, (visibility, right) in enumerate(product(("private", "group", "public"), ("", "user", "group"))):
        target = Target.objects.create(name=f"T{number}", owner=owner, visibility=visibility)
        give(right, "view_target", target, stranger)
        targets.append(target)
        for also, extra in product(("", "private", "group", "public"), ("", "user")):
            record = ObservationRecord.objects.create(
                target=target, user=observer, facility="F", observation_id=str(len(records)), visibility=also
            )
            record.groups.set([team] if number % 2 else [])
            give(extra, "view_observationrecord", record, stranger)
            records.append(record)
            for own in ("", "private", "group", "public"):
                parent = record if len(products) % 3 else None
                one = DataProduct(target=target, observation_record=parent, visibility=own, data="a", owner=owner)
                one.save()
                one.groups.set([team] if len(products) % 2 else [])
                products.append(one)
    return {Target: targets, ObservationRecord: records, DataProduct: products}


def give(right: str, codename: str, obj: Any, user: User) -> None:
    if right:
        assign_perm(codename, user if right == "user" else user.groups.get(), obj)


def test_a_list_costs_the_same_queries_however_many_are_private(
    owner: User, django_assert_max_num_queries: Any
) -> None:
    watcher = member_of(Group.objects.create(name="watchers"), "watcher")
    for number in range(30):
        Target.objects.create(name=f"T{number}", owner=owner, visibility=("private", "public")[number % 2])
    fresh = User.objects.get(pk=watcher.pk)
    with django_assert_max_num_queries(3):  # two of Django's for the user's permissions, one for the list
        assert len(Target.objects.visible_to(fresh)) == 15


def test_the_check_names_the_backend_that_is_missing(settings: Any) -> None:
    from heliostat.rights.checks import check_backend

    assert check_backend() == []
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    (error,) = check_backend()
    assert error.id == "heliostat.E070"
    assert "heliostat.rights.backend.Backend" in error.msg
