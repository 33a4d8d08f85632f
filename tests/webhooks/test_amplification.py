"""However many hooks somebody makes, one change of another's object writes a bounded number of bytes."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models import Sum
from django.db.models.functions import Length

from heliostat.outbox.models import Callback, Status
from heliostat.webhooks.models import Hook
from tests.example.models import Depot, Vehicle
from tests.webhooks.payload_hooks import hook, problems

pytestmark = pytest.mark.django_db(databases="__all__")

BIG = '{"text": "' + "x" * 50_000 + '", "name": {{instance.name}}}'


def written(using: str) -> int:
    return int(Callback.objects.using(using).aggregate(size=Sum(Length("body")))["size"] or 0)


def test_the_hooks_of_one_owner_are_sent_so_many_bytes_of_one_event(using: str, settings: Any) -> None:
    settings.HELIOSTAT_RENDER_LIMIT = 500_000
    greedy, modest = User.objects.create_user("greedy"), User.objects.create_user("modest")
    for _ in range(30):
        hook(user=greedy, payload_template=BIG)
    hook(user=modest, payload_template=BIG)
    hook(payload_template=BIG)
    Vehicle.objects.using(using).create(name="55")
    assert len(problems(using)) == 21
    assert "HELIOSTAT_RENDER_LIMIT" in problems(using)[0]
    assert written(using) <= 3 * 500_000
    sent = set(Callback.objects.using(using).filter(status=Status.WAITING).values_list("subscriber", flat=True))
    assert {one.subscriber for one in Hook.objects.exclude(user=greedy)} <= sent
    Vehicle.objects.using(using).create(name="56")
    assert len(problems(using)) == 42, "the next event has its own limit"


@pytest.mark.parametrize("way", ["static", "dynamic", "template"])
def test_the_site_s_own_hooks_are_bounded_too_in_whatever_way_they_are_rendered(
    way: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.HELIOSTAT_RENDER_LIMIT = 200_000
    if way != "template":
        method = lambda self, *_: {"text": "é" * 20_000}  # noqa: E731
        monkeypatch.setattr(Vehicle, f"get_{way}_payload", method, raising=False)
    for _ in range(10):
        hook(payload_template=BIG if way == "template" else "")
    Vehicle.objects.create(name="55")
    assert 0 < len(problems()) < 10
    assert written("default") <= 200_000


def test_by_default_a_hundred_hooks_write_sixteen_mebibytes_at_most() -> None:
    template = '{"all": [' + ",".join(["{{instance.plan}}"] * 400) + "]}"
    for _ in range(100):
        hook(payload_template=template)
    Vehicle.objects.create(name="55", plan={"text": "x" * 2000})
    assert written("default") <= 16 * 1024 * 1024
    assert Vehicle.objects.count() == 1
    assert problems()


def test_templates_of_one_owner_follow_so_many_relations_for_one_event(using: str, settings: Any) -> None:
    settings.HELIOSTAT_RENDER_RELATIONS = 0
    hook(payload_template='{"depot": {{instance.depot.name}}}')
    hook(payload_template='{"name": {{instance.name}}}')
    depot = Depot.objects.using(using).create(name="North")
    Vehicle.objects.using(using).create(name="55", depot=depot)
    assert problems(using) == [], "it was loaded already"
    Vehicle.objects.using(using).create(name="55", depot_id=depot.pk)
    (problem,) = problems(using)
    assert "HELIOSTAT_RENDER_RELATIONS" in problem


def test_many_templates_fetch_a_related_object_once(using: str, django_assert_max_num_queries: Any) -> None:
    for _ in range(20):
        hook(payload_template='{"depot": {{instance.depot.name}}, "again": {{instance.depot.pk}}}')
    depot = Depot.objects.using(using).create(name="North")
    Vehicle.objects.using(using).create(name="55", depot_id=depot.pk)
    with django_assert_max_num_queries(12, using=using) as context:
        Vehicle.objects.using(using).create(name="56", depot_id=depot.pk)
    asked = [query["sql"] for query in context.captured_queries if "SELECT" in query["sql"]]
    assert sum("example_depot" in sql for sql in asked) == 1
