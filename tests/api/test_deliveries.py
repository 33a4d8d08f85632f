"""What a hook was notified, over HTTP: found, read, and sent again; with no more reading of rows than are shown."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from heliostat.api.policy import with_subscribers
from heliostat.outbox import queries as outbox_queries
from heliostat.outbox.models import Callback, Event
from heliostat.outbox.queries import OfSubscribers
from heliostat.testing import Receiver, drain_outbox
from heliostat.webhooks.models import Hook
from tests.api.conftest import URL, a_hook
from tests.example.models import Vehicle
from tests.outbox.callbacks import callbacks_for, ended

pytestmark = pytest.mark.django_db


def listed(client: APIClient, hook: int | None = None, **query: Any) -> list[int]:
    answer = client.get("/api/deliveries/", ({"hook": hook} if hook else {}) | query)
    assert answer.status_code == 200, answer.content
    return [one["id"] for one in answer.json()["results"]]


@pytest.mark.django_db(transaction=True)
def test_a_delivery_is_shown_with_its_body_and_every_attempt(as_ada: APIClient, receiver: Receiver, settings) -> None:
    settings.HELIOSTAT_RETRY_FIRST = 0.0
    receiver.answers = [503]
    hook = a_hook(as_ada, target_url=receiver.url)["id"]
    bus = Vehicle.objects.create(name="55")
    drain_outbox()
    drain_outbox()
    (one,) = as_ada.get("/api/deliveries/", {"hook": hook}).json()["results"]
    assert {name: one[name] for name in ("hook", "event_type", "object_id", "status", "attempts", "due_at")} == {
        "hook": hook, "event_type": "example.vehicle.created", "object_id": str(bus.pk), "status": "sent",
        "attempts": 2, "due_at": None,
    }  # fmt: skip
    assert one["message_id"] == receiver.deliveries[0].id
    whole = as_ada.get(f"/api/deliveries/{one['id']}/").json()
    assert whole.pop("body").encode() == receiver.deliveries[0].body
    assert whole == one
    last, first = as_ada.get(f"/api/deliveries/{one['id']}/attempts/").json()["results"]
    assert [(each["number"], each["status_code"], each["outcome"]) for each in (first, last)] == [
        (1, 503, "retry"),
        (2, 200, "sent"),
    ]


def test_an_error_of_the_sites_own_code_is_for_those_who_may_see_all_callbacks(
    as_ada: APIClient, as_staff: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def static(self: Any) -> Any:
        raise LookupError("no row in /srv/tom/private.db")

    hook = a_hook(as_ada)["id"]
    monkeypatch.setattr(Vehicle, "get_static_payload", static, raising=False)
    Vehicle.objects.create(name="55")
    (one,) = as_ada.get("/api/deliveries/", {"hook": hook}).json()["results"]
    assert one["status_details"].startswith("LookupError: code of this site failed")
    assert as_ada.get(f"/api/deliveries/{one['id']}/").json()["status_details"] == one["status_details"]
    whole = as_staff.get(f"/api/deliveries/{one['id']}/").json()
    assert whole["status_details"] == "LookupError: no row in /srv/tom/private.db"


def test_an_error_of_the_hook_itself_is_for_its_owner(as_ada: APIClient, settings: Any) -> None:
    settings.HELIOSTAT_RENDER_LIMIT = 10
    hook = a_hook(as_ada, payload_template='{"name": {{instance.name}}}')["id"]
    Vehicle.objects.create(name="55")
    (one,) = as_ada.get("/api/deliveries/", {"hook": hook}).json()["results"]
    assert "HELIOSTAT_RENDER_LIMIT" in one["status_details"]


def test_deliveries_are_found_by_status_event_type_and_time(as_ada: APIClient) -> None:
    hook, other = a_hook(as_ada)["id"], a_hook(as_ada)["id"]
    (old,) = callbacks_for("default", f"hook:{hook}", created_at=timezone.now() - timedelta(days=3))
    (failed,) = callbacks_for("default", f"hook:{hook}", status="error")
    (of_other,) = callbacks_for("default", f"hook:{other}")
    Event.objects.filter(pk=failed.event_id).update(action="deleted")
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()
    assert listed(as_ada, hook) == [failed.pk, old.pk]
    assert listed(as_ada, other) == [of_other.pk]
    assert listed(as_ada, hook, status="error") == listed(as_ada, hook, since=yesterday) == [failed.pk]
    assert listed(as_ada, hook, event_type="example.vehicle.deleted") == [failed.pk]
    assert listed(as_ada, hook, event_type="created") == [], "a type is a resource and an action"
    assert listed(as_ada, hook, until=yesterday) == [old.pk]
    assert listed(as_ada, hook, status="error", until=yesterday) == []


def test_without_a_hook_all_are_listed_that_ones_own_hooks_were_notified_and_for_staff_those_of_all(
    as_ada: APIClient, as_ben: APIClient, as_staff: APIClient
) -> None:
    assert listed(as_ada) == []
    one, two, bens = a_hook(as_ada)["id"], a_hook(as_ada)["id"], a_hook(as_ben)["id"]
    notified = [callbacks_for("default", f"hook:{hook}", status=status)[0].pk for hook, status in
            ((one, "sent"), (two, "error"), (bens, "error"), (one, "error"), (two, "sent"))]  # fmt: skip
    callbacks_for("default", "code:mytom.hooks.notify")
    hers = [notified[index] for index in (4, 3, 1, 0)]
    assert listed(as_ada) == hers
    assert listed(as_ben) == [notified[2]]
    assert listed(as_staff) == notified[::-1]
    assert listed(as_ada, status="error") == [notified[3], notified[1]]
    assert listed(as_staff, status="error") == [notified[3], notified[2], notified[1]]
    Callback.objects.filter(pk__lt=notified[3]).update(created_at=timezone.now() - timedelta(days=2))
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()
    assert (listed(as_ada, since=yesterday), listed(as_ada, until=yesterday)) == (hers[:2], hers[2:])
    for edge in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert listed(as_ada, since=edge) in ([], hers)
        assert listed(as_ada, until=edge) in ([], hers)


def test_the_pages_of_all_deliveries_lead_from_one_to_the_next_and_back(as_ada: APIClient) -> None:
    hooks = [a_hook(as_ada)["id"] for _ in range(3)]
    notified = [callbacks_for("default", f"hook:{hooks[number % 2]}")[0].pk for number in range(7)][::-1]
    address, seen = "/api/deliveries/?page_size=3", []
    while address:
        page = as_ada.get(address).json()
        seen += [[one["id"] for one in page["results"]]]
        address, before = page["next"], page["previous"]
    assert seen == [notified[:3], notified[3:6], notified[6:]]
    assert [one["id"] for one in as_ada.get(before).json()["results"]] == notified[3:6]


@pytest.mark.parametrize(
    "query",
    [{"hook": "x"}, {"hook": 0}, {"hook": 10**30}, {"status": "lost"}, {"since": "soon"}, {"event_type": "\x00"},
     {"stauts": "error"}, {"cursor": "cD14"}],
)  # fmt: skip
def test_a_question_that_makes_no_sense_is_refused(as_ada: APIClient, query: dict[str, Any]) -> None:
    known = {"hook": a_hook(as_ada)["id"]} if query and "hook" not in query else {}
    assert as_ada.get("/api/deliveries/", known | query).status_code == 400


def test_event_types_are_looked_for_in_the_log_of_one_hook_alone(as_ada: APIClient) -> None:
    answer = as_ada.get("/api/deliveries/", {"event_type": "example.vehicle.created"})
    assert (answer.status_code, list(answer.json())) == (400, ["hook"])
    assert "index" in answer.json()["hook"][0]


def test_one_delivery_is_sent_again_when_it_came_to_an_end(as_ada: APIClient) -> None:
    hook = a_hook(as_ada)["id"]
    (notified,) = ended("default", f"hook:{hook}")
    address = f"/api/deliveries/{notified.pk}/resend/"
    answer = as_ada.post(address)
    assert (answer.status_code, answer.json()) == (202, {"count": 1})
    assert as_ada.get(f"/api/deliveries/{notified.pk}/").json()["status"] == "waiting"
    assert as_ada.post(address).status_code == 409


def test_a_selection_is_sent_again(as_ada: APIClient) -> None:
    hook = a_hook(as_ada)["id"]
    chosen = [ended("default", f"hook:{hook}")[0].pk for _ in range(3)]
    (waits,) = callbacks_for("default", f"hook:{hook}")
    answer = as_ada.post("/api/deliveries/resend/", {"deliveries": [*chosen[:2], waits.pk, chosen[0]]})
    assert (answer.status_code, answer.json()) == (202, {"count": 2})
    assert Callback.objects.get(pk=chosen[2]).status == "sent"
    assert as_ada.post("/api/deliveries/resend/", {"deliveries": [chosen[0], 10**12]}).status_code == 404
    for wrong in ([], "all", [0], [10**30], ["x"], list(range(1, 1002))):
        assert as_ada.post("/api/deliveries/resend/", {"deliveries": wrong}).status_code == 400


def fill(using: str, hooks: list[Hook]) -> None:
    """Some 100,000 callbacks of one event: one in a thousand is the first hook's, the others are the second's."""
    (first,) = callbacks_for(using, hooks[0].subscriber)
    others = [Callback(event_id=first.event_id, subscriber=hooks[1].subscriber) for _ in range(999)]
    Callback.objects.using(using).bulk_create(others)
    table = Callback._meta.db_table
    columns = "event_id, subscriber, status, status_details, attempts, due_at, created_at, updated_at"
    with connections[using].cursor() as cursor:
        for _ in range(7):
            cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}")
        if using != "mariadb":  # there ANALYZE commits, and the rows would be left to the tests after this one
            cursor.execute(f"ANALYZE {table}")


@pytest.mark.slow
@pytest.mark.django_db(databases="__all__")
def test_the_log_of_one_hook_is_read_from_an_index_among_100_000(ada: User, using: str) -> None:
    hooks = [Hook.objects.create(user=ada, signals=["example.vehicle.*"], target_url=URL) for _ in range(2)]
    fill(using, hooks)
    rows = Callback.objects.using(using).filter(subscriber=hooks[0].subscriber).order_by("-id")[:50]
    plan = rows.explain()
    assert "heliostat_of_subscriber" in plan, plan
    assert "TEMP B-TREE" not in plan, plan
    assert len(rows) == 50


@pytest.mark.django_db(databases="__all__")
def test_the_logs_of_many_hooks_are_read_from_an_index_no_further_than_the_page(using: str) -> None:
    fill(using, [Hook(pk=1), Hook(pk=2)])
    log = Callback.objects.using(using).select_related("event")

    def page(*subscribers: str) -> list[Callback]:
        return OfSubscribers(log, subscribers).order_by("-id").filter(id__lt=10**9)[0:51]

    newest = log.filter(subscriber__in=["hook:1", "hook:2"]).order_by("-id")
    assert page("hook:1", "hook:2") == list(newest[:51])
    with CaptureQueriesContext(connections[using]) as captured:
        assert len(page("hook:1", "hook:3")) == 51
    with connections[using].cursor() as cursor:
        cursor.execute(("EXPLAIN QUERY PLAN " if using == "default" else "EXPLAIN ") + captured[0]["sql"])
        plan = str(cursor.fetchall())
    assert plan.count("heliostat_of_subscriber") >= 2, plan


@pytest.mark.parametrize("order", ["id", "-id"])
@pytest.mark.parametrize("newest", ["theirs", "others'"])
def test_the_log_of_many_hooks_is_the_same_however_it_is_found(
    order: str, newest: str, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_queries, "NEXT_OF_ALL", 8)
    theirs = [Hook.objects.create(user=ada, signals=["example.vehicle.*"], target_url=URL) for _ in range(3)]
    some = [one.subscriber for one in theirs]
    for _ in range(4):
        callbacks_for(
            "default", *(["hook:98", "hook:99", *some] if newest == "theirs" else [*some, "hook:98", "hook:99"])
        )
    log = Callback.objects.order_by(order)
    found = OfSubscribers(log, with_subscribers(Hook.objects.filter(user=ada), "default"))
    for start, stop in ((0, 3), (0, 5), (0, 12), (2, 7)):
        assert found[start:stop] == list(log.filter(subscriber__in=some)[start:stop])


def test_a_page_costs_the_same_number_of_queries_however_long_it_is(as_ada: APIClient) -> None:
    hook = a_hook(as_ada)["id"]

    def queries() -> int:
        with CaptureQueriesContext(connections["default"]) as captured:
            listed(as_ada, hook)
        assert not any('"body"' in query["sql"] for query in captured.captured_queries), "bodies can be large"
        return len(captured)

    callbacks_for("default", f"hook:{hook}")
    few = queries()
    for _ in range(5):
        callbacks_for("default", f"hook:{hook}")
    assert queries() == few
