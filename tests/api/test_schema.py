"""The description of the API is valid, complete, and about the addresses as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from heliostat.outbox.models import Callback
from tests.api.conftest import a_hook
from tests.outbox.callbacks import ended

pytestmark = pytest.mark.django_db

CARE = ("ping", "pause", "resume", "enable", "disable", "rotate-secret", "resend")


def test_the_description_is_valid_and_leaves_nothing_open(tmp_path) -> None:
    file = tmp_path / "schema.yml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    assert "/api/hooks/{id}/rotate-secret/" in file.read_text()


def test_the_api_describes_itself_where_it_is_mounted(as_ada: APIClient) -> None:
    answer = as_ada.get("/api/schema/", HTTP_ACCEPT="application/json")
    described = answer.json()
    assert described["openapi"].startswith("3.")
    assert described["info"]["title"] == "Heliostat"
    assert set(described["paths"]) == {
        "/api/hooks/",
        "/api/hooks/{id}/",
        *(f"/api/hooks/{{id}}/{act}/" for act in CARE),
        "/api/deliveries/",
        "/api/deliveries/{id}/",
        "/api/deliveries/{id}/attempts/",
        "/api/deliveries/{id}/resend/",
        "/api/deliveries/resend/",
        "/api/event-types/",
    }
    assert {"tokenAuth", "cookieAuth"} == set(described["components"]["securitySchemes"])
    assert b"openapi: 3" in as_ada.get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi").content


def test_the_address_of_the_api_leads_to_everything_in_it(as_ada: APIClient) -> None:
    addresses = as_ada.get("/api/").json()
    assert set(addresses) == {"hooks", "deliveries", "event-types", "schema"}
    for address in addresses.values():
        assert address.startswith("http://testserver/api/")
        assert as_ada.get(address).status_code == 200
    assert APIClient().get("/api/").status_code == 401


def test_each_operation_says_what_it_does(as_ada: APIClient) -> None:
    paths = as_ada.get("/api/schema/", HTTP_ACCEPT="application/json").json()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            assert operation.get("description", "").strip(), f"{method} {path}"


def examples(client: APIClient) -> Iterator[tuple[str, str, Any]]:
    paths = client.get("/api/schema/", HTTP_ACCEPT="application/json").json()["paths"]
    for path, methods in paths.items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            yield from ((method, path, one["value"]) for one in body.get("examples", {}).values())


def test_every_example_of_a_request_works(as_staff: APIClient) -> None:
    hook = a_hook(as_staff)["id"]
    (notified,) = ended("default", f"hook:{hook}")
    for pk in (41, 42):
        Callback.objects.create(pk=pk, event_id=notified.event_id, subscriber=notified.subscriber, status="sent")
    asked = list(examples(as_staff))
    assert len(asked) >= 8
    for method, path, value in asked:
        answer = getattr(as_staff, method)(path.replace("{id}", str(hook)), value)
        assert answer.status_code in (200, 201, 202), (path, value, answer.content)
