"""Nobody sees or changes what is another's; nobody who has not logged in sees anything."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.urls import URLPattern, URLResolver
from rest_framework.test import APIClient
from rest_framework.throttling import UserRateThrottle

from heliostat.api.base import HeliostatView
from heliostat.api.urls import urlpatterns
from heliostat.outbox.models import Attempt, Callback
from heliostat.webhooks import operations
from heliostat.webhooks.models import Hook
from tests.api.conftest import URL, a_hook
from tests.example.models import Vehicle
from tests.outbox.callbacks import ended

pytestmark = pytest.mark.django_db

SINCE = {"since": "2020-01-01T00:00:00Z"}
METHODS = ("get", "post", "put", "patch", "delete")

# Every route: what each method is sent, and whether another user's row is not found there.
OF_A_HOOK: dict[str, dict[str, Any]] = {
    "hooks/{hook}/": {"get": None, "put": {"target_url": URL}, "patch": {"name": "x"}, "delete": None},
    "hooks/{hook}/ping/": {"post": None},
    "hooks/{hook}/pause/": {"post": None},
    "hooks/{hook}/resume/": {"post": None},
    "hooks/{hook}/enable/": {"post": None},
    "hooks/{hook}/disable/": {"post": None},
    "hooks/{hook}/rotate-secret/": {"post": None},
    "hooks/{hook}/resend/": {"post": SINCE},
}
OF_A_DELIVERY: dict[str, dict[str, Any]] = {
    "deliveries/{delivery}/": {"get": None},
    "deliveries/{delivery}/attempts/": {"get": None},
    "deliveries/{delivery}/resend/": {"post": None},
}
OF_ALL: dict[str, dict[str, Any]] = {
    "": {"get": None},
    "hooks/": {"get": None, "post": {"model": "example.vehicle", "target_url": URL}},
    "deliveries/": {"get": None},
    "deliveries/resend/": {"post": None},
    "event-types/": {"get": None},
    "schema/": {"get": None},
}
ROUTES = OF_A_HOOK | OF_A_DELIVERY | OF_ALL
OTHERS = [(route, *one) for route, methods in (OF_A_HOOK | OF_A_DELIVERY).items() for one in methods.items()]


def routes(patterns: list[Any], before: str = "") -> set[str]:
    """The routes of the urlconf, as they are written above."""
    found: set[str] = set()
    for pattern in patterns:
        route = before + str(pattern.pattern).lstrip("^").rstrip("$").replace(r"\Z", "")
        if isinstance(pattern, URLResolver):
            found |= routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            kind = "{delivery}" if "deliveries" in route else "{hook}"
            found.add(route.replace("(?P<pk>[0-9]{1,18})", kind))
    return found


@pytest.fixture
def hook(ada: User) -> Hook:
    """Ada's hook, with a delivery that was sent."""
    made = Hook.objects.create(user=ada, signals=["example.vehicle.*"], target_url=URL)
    ended("default", made.subscriber)
    return made


def ids(hook: Hook) -> dict[str, int]:
    return {"hook": hook.pk, "delivery": Callback.objects.filter(subscriber=hook.subscriber).earliest("id").pk}


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Hook, Callback, Attempt)]


def test_every_route_is_among_those_that_are_tested() -> None:
    assert routes(urlpatterns) == set(ROUTES)


@pytest.mark.parametrize(("route", "method", "body"), OTHERS)
def test_what_is_another_users_is_not_found(as_ben: APIClient, hook: Hook, route: str, method: str, body: Any) -> None:
    before = rows()
    answer = getattr(as_ben, method)(f"/api/{route.format(**ids(hook))}", body)
    assert answer.status_code == 404, answer.content
    assert rows() == before


@pytest.mark.parametrize(("route", "method", "body"), OTHERS)
def test_what_is_the_sites_is_not_found_by_users(
    as_ada: APIClient, hook: Hook, route: str, method: str, body: Any
) -> None:
    Hook.objects.update(user=None)
    assert getattr(as_ada, method)(f"/api/{route.format(**ids(hook))}", body).status_code == 404


@pytest.mark.parametrize(("route", "method", "body"), OTHERS)
def test_owners_and_staff_are_let_in(
    as_ada: APIClient, as_staff: APIClient, hook: Hook, route: str, method: str, body: Any
) -> None:
    for client in (as_staff, as_ada) if method != "delete" and "resend" not in route else (as_ada,):
        answer = getattr(client, method)(f"/api/{route.format(**ids(hook))}", body)
        assert answer.status_code in (200, 202, 204), answer.content


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("method", METHODS)
def test_without_logging_in_nothing_is_published_or_done(hook: Hook, route: str, method: str) -> None:
    before = rows()
    answer = getattr(APIClient(), method)(f"/api/{route.format(**ids(hook))}", {}, format="json")
    assert answer.status_code == 401
    assert rows() == before


def test_lists_hold_what_is_ones_own_and_for_staff_all(
    as_ada: APIClient, as_ben: APIClient, as_staff: APIClient, hook: Hook
) -> None:
    bens = a_hook(as_ben)["id"]
    sites = Hook.objects.create(signals=["*.*"], target_url=URL).pk
    listed = {name: [one["id"] for one in client.get("/api/hooks/").json()["results"]]
              for name, client in (("ada", as_ada), ("ben", as_ben), ("staff", as_staff))}  # fmt: skip
    assert listed == {"ada": [hook.pk], "ben": [bens], "staff": [sites, bens, hook.pk]}
    assert as_ada.get(f"/api/deliveries/?hook={hook.pk}").json()["results"] != []
    assert as_ben.get(f"/api/deliveries/?hook={hook.pk}").status_code == 404
    assert as_staff.get(f"/api/deliveries/?hook={hook.pk}").json()["results"] != []


def test_a_selection_with_one_delivery_of_another_is_not_found(
    as_ada: APIClient, as_ben: APIClient, hook: Hook
) -> None:
    bens = Hook.objects.get(pk=a_hook(as_ben)["id"])
    chosen = {"deliveries": [ended("default", bens.subscriber)[0].pk, ids(hook)["delivery"]]}
    before = rows()
    assert as_ben.post("/api/deliveries/resend/", chosen).status_code == 404
    assert as_ada.post("/api/deliveries/resend/", chosen).status_code == 404
    assert rows() == before


def test_what_code_hooks_were_notified_is_no_delivery(as_staff: APIClient) -> None:
    (notified,) = ended("default", "code:mytom.hooks.notify")
    assert as_staff.get(f"/api/deliveries/{notified.pk}/").status_code == 404


def test_what_a_deleted_hook_was_sent_is_for_staff_alone(as_ada: APIClient, as_staff: APIClient, hook: Hook) -> None:
    address = f"/api/deliveries/{ids(hook)['delivery']}/"
    hook.delete()
    assert as_ada.get(address).status_code == 404
    assert as_staff.get(address).status_code == 200


def test_a_session_needs_the_token_against_forged_requests(ada: User, hook: Hook) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    assert browser.get("/api/hooks/").status_code == 200
    assert browser.post(f"/api/hooks/{hook.pk}/pause/").status_code == 403
    assert not Hook.objects.get().paused
    browser.cookies["csrftoken"] = "a" * 32
    sent = {"content_type": "application/json", "headers": {"X-CSRFToken": "a" * 32}}
    assert browser.post(f"/api/hooks/{hook.pk}/pause/", **sent).status_code == 200
    assert Hook.objects.get().paused


def test_how_one_logs_in_is_as_the_project_configures_it(as_ada: APIClient, ada: User, settings: Any) -> None:
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"]}
    ada.set_password("42")
    ada.save()
    assert as_ada.get("/api/hooks/").status_code == 401
    as_ada.credentials(HTTP_AUTHORIZATION=f"Basic {b64encode(b'ada:42').decode()}")
    assert as_ada.get("/api/hooks/").status_code == 200


class TwiceAMinute(UserRateThrottle):
    rate = "2/minute"


def test_who_asks_too_often_is_notified_to_wait_and_nobody_else(
    as_ada: APIClient, as_ben: APIClient, monkeypatch: Any
) -> None:
    monkeypatch.setattr(HeliostatView, "throttle_classes", [TwiceAMinute])
    cache.clear()
    assert [as_ada.get("/api/hooks/").status_code for _ in range(2)] == [200, 200]
    refused = as_ada.get("/api/event-types/")
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert as_ben.get("/api/hooks/").status_code == 200


def test_options_say_nothing_of_what_is_anothers(as_ada: APIClient, as_ben: APIClient, hook: Hook) -> None:
    own = as_ada.options(f"/api/hooks/{hook.pk}/")
    assert set(own.json()["actions"]) == {"PUT"}
    anothers, nobodys = (as_ben.options(f"/api/hooks/{pk}/") for pk in (hook.pk, 999_999))
    assert anothers.json() == nobodys.json()


def test_a_wrong_token_and_an_inactive_user_are_refused(as_ada: APIClient, ada: User) -> None:
    stranger = APIClient()
    stranger.credentials(HTTP_AUTHORIZATION="Token 0123456789")
    assert stranger.get("/api/hooks/").status_code == 401
    User.objects.update(is_active=False)
    assert as_ada.get("/api/hooks/").status_code == 401


def test_a_ping_is_notified_to_nobody_elses_hook(as_ada: APIClient, as_ben: APIClient, hook: Hook) -> None:
    a_hook(as_ben)
    operations.ping(hook)
    Vehicle.objects.create(name="55")
    types = Callback.objects.exclude(subscriber=hook.subscriber).values_list("event__action", flat=True)
    assert list(types) == ["created"]
