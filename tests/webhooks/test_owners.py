"""Rights end when they end: nothing is sent to a hook whose owner is inactive, or may not view what it says."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from heliostat.outbox import resending, transitions
from heliostat.outbox.models import Callback, Status
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks import owners, permissions
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.kind import HookKind
from heliostat.webhooks.models import Hook
from tests.delivery.working import eventually, hook_to, vehicles, working
from tests.example.models import Depot, Vehicle

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


def view(*models: str) -> Any:
    return Permission.objects.filter(codename__in=[f"view_{model}" for model in models])


@pytest.fixture
def ada() -> User:
    user = User.objects.create_user("ada")
    user.user_permissions.set(view("vehicle"))
    return user


def enforced(receiver: Receiver, owner: User, **fields: Any) -> Hook:
    return hook_to(receiver, user=owner, enforce_permissions=True, **fields)


def notified(using: str = "default") -> tuple[Status, str]:
    """How the last callback ended, and why."""
    last = Callback.objects.using(using).latest("id")
    return Status(last.status), last.status_details


def happens(using: str = "default") -> tuple[Status, str]:
    vehicles(1, using)
    drain_outbox(using)
    return notified(using)


def after_a_while() -> None:
    """Answers of before do not count any more; nobody need wait for that."""
    permissions.forget_answers()


def again(using: str = "default") -> tuple[Status, str]:
    """The last callback is sent again."""
    resending.resend([Callback.objects.using(using).latest("id").pk], using)
    drain_outbox(using)
    return notified(using)


def test_a_permission_that_is_taken_away_ends_deliveries_and_one_that_is_back_lets_them_be_resent(
    using: str, receiver: Receiver, ada: User
) -> None:
    enforced(receiver, ada)
    assert happens(using)[0] == Status.SENT
    ada.user_permissions.clear()
    assert happens(using) == (Status.CANCELLED, owners.NOT_ALLOWED)
    drain_outbox(using)
    assert notified(using) == (Status.CANCELLED, owners.NOT_ALLOWED), "it stays so"
    assert again(using) == (Status.CANCELLED, owners.NOT_ALLOWED), "resent while the right is missing"
    assert len(receiver.deliveries) == 1
    ada.user_permissions.set(view("vehicle"))
    drain_outbox(using)
    assert notified(using)[0] == Status.CANCELLED, "nothing is sent by itself"
    assert again(using)[0] == Status.SENT
    assert len(receiver.deliveries) == 2


@pytest.mark.parametrize("fields", [{}, {"enforce_permissions": True}])
def test_an_inactive_owner_stops_any_hook(using: str, receiver: Receiver, fields: Any) -> None:
    root = User.objects.create_superuser("root")
    hook_to(receiver, user=root, **fields)
    assert happens(using)[0] == Status.SENT
    root.is_active = False
    root.save()
    assert happens(using) == (Status.CANCELLED, owners.INACTIVE)
    assert again(using) == (Status.CANCELLED, owners.INACTIVE)
    root.is_active = True
    root.save()
    assert again(using)[0] == Status.SENT


def test_a_hook_that_code_makes_is_the_sites_and_asks_for_no_permission(receiver: Receiver) -> None:
    nobody = User.objects.create_user("nobody")
    Hook.objects.create(user=nobody, content_object=Vehicle.objects.create(name="1"), target=receiver.url)
    create_hook(user=nobody, model="vehicle", target_url=receiver.url)
    create_hook(model="vehicle", target_url=receiver.url, enforce_permissions=True)  # without an owner
    Vehicle.objects.get().save()
    drain_outbox()
    assert set(Callback.objects.values_list("status", flat=True)) == {Status.SENT}
    assert len(receiver.deliveries) == 3


def test_a_hook_that_code_makes_asks_for_permission_where_it_says_so(receiver: Receiver) -> None:
    nobody = User.objects.create_user("nobody")
    create_hook(user=nobody, model="vehicle", target_url=receiver.url, enforce_permissions=True)
    assert happens() == (Status.CANCELLED, owners.NOT_ALLOWED)


@pytest.mark.parametrize("signals", [["example.vehicle.*"], ["example.vehicle.created", "example.depot.created"]])
def test_each_model_of_the_event_types_is_asked_for(receiver: Receiver, ada: User, signals: list[str]) -> None:
    ada.user_permissions.set(view("vehicle", "depot"))
    Hook.objects.create(user=ada, signals=signals, target=receiver.url, enforce_permissions=True)
    assert happens()[0] == Status.SENT
    ada.user_permissions.set(view("depot" if len(signals) == 1 else "vehicle"))
    assert happens() == (Status.CANCELLED, owners.NOT_ALLOWED)


@pytest.mark.parametrize("pattern", ["example.*", "*.created", "example.v?hicle.*", "*.*"])
def test_a_pattern_needs_the_permission_for_each_model_that_it_can_match(
    receiver: Receiver, ada: User, pattern: str
) -> None:
    everything = Permission.objects.filter(codename__startswith="view_")
    ada.user_permissions.set(everything)
    Hook.objects.create(user=ada, signals=[pattern], target=receiver.url, enforce_permissions=True)
    assert happens()[0] == Status.SENT
    ada.user_permissions.set(everything.exclude(codename="view_vehicle"))
    assert happens() == (Status.CANCELLED, owners.NOT_ALLOWED)
    ada.user_permissions.set(everything.exclude(codename="view_event"))
    assert happens() == (Status.CANCELLED, owners.NOT_ALLOWED), "it can match events that are of no model"


def test_what_a_template_reads_over_relations_is_asked_for_too(receiver: Receiver, ada: User) -> None:
    ada.user_permissions.set(view("vehicle", "depot"))
    enforced(receiver, ada, payload_template='{"depot": {{instance.depot.name}}}')
    assert happens()[0] == Status.SENT
    ada.user_permissions.set(view("vehicle"))
    assert happens() == (Status.CANCELLED, owners.NOT_ALLOWED)


def test_a_permission_of_a_group_ends_with_the_group(receiver: Receiver) -> None:
    eve, drivers = User.objects.create_user("eve"), Group.objects.create(name="drivers")
    drivers.permissions.set(view("vehicle"))
    eve.groups.add(drivers)
    enforced(receiver, eve)
    assert happens()[0] == Status.SENT
    drivers.permissions.clear()
    assert happens() == (Status.CANCELLED, owners.NOT_ALLOWED)
    drivers.permissions.set(view("vehicle"))
    assert again()[0] == Status.SENT
    eve.groups.clear()
    assert happens() == (Status.CANCELLED, owners.NOT_ALLOWED)


class Open:
    """An authentication backend that knows objects: everybody may view a vehicle that is called open."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def has_perm(self, user: Any, permission: str, one: Any = None) -> bool:
        return permission == "example.view_vehicle" and getattr(one, "name", "") == "open" and user.is_active


def test_permission_on_the_one_object_is_enough_and_ends_with_it(receiver: Receiver, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.Open"]
    eve, vehicle = User.objects.create_user("eve"), Vehicle.objects.create(name="open")
    Hook.objects.create(user=eve, content_object=vehicle, target=receiver.url, enforce_permissions=True)
    vehicle.save()
    drain_outbox()
    assert notified()[0] == Status.SENT
    vehicle.name = "shut"
    vehicle.save()
    after_a_while()
    drain_outbox()
    assert notified() == (Status.CANCELLED, owners.NOT_ALLOWED)


@pytest.fixture
def eve(settings: Any) -> User:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.Open"]
    return User.objects.create_user("eve")


def on_one(receiver: Receiver, owner: User, using: str = "default") -> tuple[Hook, Vehicle]:
    vehicle = Vehicle.objects.using(using).create(name="open")
    hook = create_hook(
        user=owner, model=Vehicle, object_id=str(vehicle.pk), target_url=receiver.url, enforce_permissions=True
    )
    return hook, vehicle


def test_permission_on_the_one_object_is_enough_for_its_deletion(using: str, receiver: Receiver, eve: User) -> None:
    _, vehicle = on_one(receiver, eve, using)
    vehicle.save()
    vehicle.delete()
    after_a_while()
    drain_outbox(using)
    assert notified(using)[0] == Status.SENT
    assert sorted(one.json["event_type"] for one in receiver.deliveries) == ["deleted", "updated"]
    User.objects.update(is_active=False)
    after_a_while()
    assert again(using) == (Status.CANCELLED, owners.INACTIVE)


def test_permission_that_ended_before_the_deletion_does_not_come_back_with_it(receiver: Receiver, eve: User) -> None:
    _, vehicle = on_one(receiver, eve)
    Vehicle.objects.update(name="shut")
    vehicle.refresh_from_db()
    vehicle.delete()
    drain_outbox()
    assert set(Callback.objects.values_list("status", "status_details")) == {(Status.CANCELLED, owners.NOT_ALLOWED)}


def test_permission_on_an_object_that_is_gone_is_of_that_owner_and_object_alone(receiver: Receiver, eve: User) -> None:
    hook, vehicle = on_one(receiver, eve)
    other = Vehicle.objects.create(name="shut")
    vehicle.delete()
    drain_outbox()
    assert notified()[0] == Status.SENT
    Hook.objects.update(user=User.objects.create_user("ben"))
    after_a_while()
    assert again() == (Status.CANCELLED, owners.NOT_ALLOWED)
    Hook.objects.update(user=eve, object_id=str(other.pk))
    after_a_while()
    assert again() == (Status.CANCELLED, owners.NOT_ALLOWED)
    hook.refresh_from_db()
    assert owners.why_stopped(hook) == owners.NOT_ALLOWED


def test_permission_on_the_model_ends_after_the_deletion_too(receiver: Receiver, ada: User) -> None:
    _, vehicle = on_one(receiver, ada)
    vehicle.delete()
    ada.user_permissions.clear()
    drain_outbox()
    assert notified() == (Status.CANCELLED, owners.NOT_ALLOWED)


class Failing(Open):
    def has_perm(self, user: Any, permission: str, one: Any = None) -> bool:
        if one is not None:
            list(Depot.objects.raw("SELECT no_such_column FROM example_depot"))
        return False


def test_a_backend_that_fails_costs_the_deletion_nothing(using: str, receiver: Receiver, settings: Any) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.Failing"]
    hook, vehicle = on_one(receiver, User.objects.create_user("eve"), using)
    with transaction.atomic(using=using):
        vehicle.delete()
        assert not Vehicle.objects.using(using).exists()
    hook.refresh_from_db()
    assert hook.ended


def on_weekdays(user: Any, model: Any, object_id: str) -> bool:
    return Depot.objects.filter(name=user).exists()


def broken(user: Any, model: Any, object_id: str) -> bool:
    raise RuntimeError("no")


def test_the_policy_of_the_project_is_asked_at_delivery_as_it_was_when_the_hook_was_made(
    receiver: Receiver, settings: Any
) -> None:
    settings.HELIOSTAT_MAY_HOOK = f"{__name__}.on_weekdays"
    eve, _ = User.objects.create_user("eve"), Depot.objects.create(name="eve")
    enforced(receiver, eve)
    assert happens()[0] == Status.SENT
    Depot.objects.all().delete()
    after_a_while()
    assert happens() == (Status.CANCELLED, owners.NOT_ALLOWED)


def test_while_a_policy_fails_its_hooks_wait_and_others_go_on(
    receiver: Receiver, settings: Any, ada: User, caplog: Any
) -> None:
    settings.HELIOSTAT_MAY_HOOK = f"{__name__}.broken"
    enforced(receiver, ada)
    hook_to(receiver)
    vehicles(1)
    drain_outbox()
    assert sorted(Callback.objects.values_list("status", flat=True)) == [Status.SENT, Status.WAITING]
    assert "HELIOSTAT_MAY_HOOK failed for hook" in caplog.text
    settings.HELIOSTAT_MAY_HOOK = "heliostat.webhooks.owners.may_view"
    after_a_while()
    transitions.retry_now("default")
    drain_outbox()
    assert set(Callback.objects.values_list("status", flat=True)) == {Status.SENT}, "the event was not lost"


def test_a_worker_that_runs_learns_of_a_change_elsewhere_within_seconds(receiver: Receiver, ada: User) -> None:
    enforced(receiver, ada)
    with working():
        vehicles(1)
        assert eventually(lambda: notified()[0] == Status.SENT)
        User.objects.filter(pk=ada.pk).update(is_active=False)  # past every signal, as another process would

        def is_stopped() -> bool:
            vehicles(1)
            return eventually(lambda: notified()[0] in (Status.SENT, Status.CANCELLED)) and notified() == (
                Status.CANCELLED,
                owners.INACTIVE,
            )

        assert eventually(is_stopped)


def test_owners_are_not_asked_for_at_each_delivery(ada: User) -> None:
    """The number of queries does not grow with the hooks, and an answer counts for seconds."""
    model = ContentType.objects.get_for_model(Vehicle)
    hooks = [
        Hook.objects.create(model=model, user=ada, target="https://receiver.example.com/", enforce_permissions=True)
        for _ in range(20)
    ]
    names = [hook.subscriber for hook in hooks]
    with CaptureQueriesContext(connection) as few:
        HookKind().destinations(names[:1])
    after_a_while()
    with CaptureQueriesContext(connection) as many:
        assert len(HookKind().destinations(names)) == 20
    assert len(many) <= len(few) + 1
    with CaptureQueriesContext(connection) as known:
        HookKind().destinations(names)
    assert len(known) <= 1, "whether any hook changed, and nothing else"


def test_an_answer_does_not_outlive_its_seconds(ada: User, settings: Any) -> None:
    settings.HELIOSTAT_PERMISSION_CACHE = 0
    hook = Hook.objects.create(
        model=ContentType.objects.get_for_model(Vehicle),
        user=ada,
        target="https://receiver.example.com/",
        enforce_permissions=True,
    )
    assert not hasattr(HookKind().destinations([hook.subscriber])[hook.subscriber], "reason")
    User.objects.update(is_active=False)
    assert getattr(HookKind().destinations([hook.subscriber])[hook.subscriber], "reason", "") == owners.INACTIVE
