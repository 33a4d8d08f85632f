"""A listener in the transaction may refuse a change: it is undone, and the visitor reads why."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from heliostat.targets.models import Target
from heliostat.webhooks.models import Hook

pytestmark = pytest.mark.django_db(transaction=True)
REASON = "no <more> of these"


def refuse(_event: Any) -> None:
    raise ValueError(REASON)


@pytest.fixture
def as_ada(client: Client) -> Client:
    client.force_login(get_user_model().objects.create_superuser("ada"))
    return client


def test_in_the_admin_it_is_a_page_with_the_reason(settings: Any, as_ada: Client) -> None:
    settings.EVENT_LISTENERS = {
        "veto": {"use": f"{__name__}.refuse", "resources": "auth.group", "when": "in_transaction"}
    }
    answer = as_ada.post("/admin/auth/group/add/", {"name": "observers"})
    assert (answer.status_code, Group.objects.exists()) == (409, False)
    assert "no &lt;more&gt; of these" in answer.text


def test_a_refusal_whose_reason_has_no_text_is_a_refusal(settings: Any, as_ada: Client) -> None:
    settings.EVENT_LISTENERS = {
        "veto": {"use": "tests.listeners.uses.wordless", "resources": "auth.group", "when": "in_transaction"}
    }
    answer = as_ada.post("/admin/auth/group/add/", {"name": "observers"})
    assert (answer.status_code, Group.objects.exists()) == (409, False)
    assert "Wordless without a text" in answer.text


def test_a_program_gets_the_reason_as_json_from_any_view(settings: Any) -> None:
    get_user_model().objects.create_user("ada", password="1609")
    settings.EVENT_LISTENERS = {
        "veto": {"use": f"{__name__}.refuse", "resources": "auth.user", "when": "in_transaction"}
    }
    login = {"username": "ada", "password": "1609"}  # it sets `last_login`
    answer = Client().post("/accounts/login/", login, headers={"accept": "application/json"})
    assert answer.status_code == 409
    assert answer.json() == {"detail": f"listener:veto refused auth.user.updated: {REASON}"}


def test_the_rest_api_answers_with_the_reason(settings: Any, as_ada: Client) -> None:
    settings.HELIOSTAT_SILENT = []
    settings.EVENT_LISTENERS = {
        "veto": {"use": f"{__name__}.refuse", "resources": "heliostat_webhooks.hook", "when": "in_transaction"}
    }
    hook = {"target_url": "https://example.org/", "model": "example.vehicle"}
    answer = as_ada.post("/api/hooks/", hook, content_type="application/json")
    assert (answer.status_code, Hook.objects.exists()) == (409, False)
    assert REASON in answer.json()["detail"]


def test_the_pages_of_targets_show_the_reason(settings: Any, as_ada: Client) -> None:
    target = Target.objects.create(name="M31", ra=10.68, dec=41.27)
    settings.EVENT_LISTENERS = {
        "veto": {"use": f"{__name__}.refuse", "resources": "targets.target", "when": "in_transaction"}
    }
    formsets = {f"{name}-{form}_FORMS": "0" for name in ("aliases", "extras") for form in ("TOTAL", "INITIAL")}
    sent = {"name": "M33", "type": "SIDEREAL", "coordinates": "23.46 30.66", **formsets}
    created = as_ada.post("/targets/create/", sent)
    deleted = as_ada.post(f"/targets/{target.pk}/delete/")
    assert [created.status_code, deleted.status_code] == [409, 409]
    assert "no &lt;more&gt; of these" in created.text
    assert "no &lt;more&gt; of these" in deleted.text
    assert [one.name for one in Target.objects.all()] == ["M31"]
