"""Every page of the TOM, and every verb, for each kind of user. A new address without a row fails."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target, TargetList
from tests.console.addresses import addresses
from tests.targets.test_pages import form

pytestmark = pytest.mark.django_db

WHO = ("anonymous", "stranger", "member", "manager", "owner", "staff", "superuser")
CSRF = re.compile(rb'name="csrfmiddlewaretoken" value="\w+"')
VERBS = ("get", "head", "post", "put", "patch", "delete", "options")
ELSEWHERE = ("admin/", "api/")
"""The admin and the REST API have tables of their own: tests/console/test_permissions.py and tests/api."""

# What is answered to a visitor, a member of another team, a member, a manager, the owner, staff, and a superuser.
# 302 of a visitor: to the log-in. What changes something when it is posted is posted with what changes nothing.
LIST = "302 200 200 200 200 200 200"
SHARED = "302 404 200 200 200 404 200"
CHANGE = "302 404 403 200 200 404 200"
DELETE = "302 404 403 403 200 404 200"
OWN = "302 404 404 404 200 404 200"
OWN_ALONE = "302 404 404 404 200 404 404"
SEEN = "302 403 403 403 200 403 200"
ADDED_TO = "302 404 200 200 200 404 200"
REFUSED = "405 405 405 405 405 405 405"
ALL = "200 200 200 200 200 200 200"

PAGES: dict[str, dict[str, str]] = {
    "": {"get": ALL, "post": ALL},
    "accounts/login/": {"get": ALL, "post": ALL},
    "accounts/logout/": {"get": REFUSED, "post": "302 302 302 302 302 302 302"},
    "groups/": {"get": LIST, "post": REFUSED},
    "groups/%(pk)s/": {"get": SHARED, "post": "302 404 403 200 403 404 200"},
    "targets/": {"get": LIST, "post": REFUSED},
    "targets/create/": {"get": LIST, "post": LIST},
    "targets/%(pk)s/": {"get": SHARED, "post": REFUSED},
    "targets/%(pk)s/edit/": {"get": CHANGE, "post": CHANGE},
    "targets/%(pk)s/delete/": {"get": DELETE, "post": DELETE.replace("200", "302")},
    "targets/%(pk)s/share/": {"get": CHANGE, "post": CHANGE},
    "targets/%(pk)s/lists/": {"get": REFUSED, "post": "302 404 403 403 302 404 302"},
    "targets/lists/": {"get": LIST, "post": REFUSED},
    "targets/lists/create/": {"get": LIST, "post": LIST},
    "targets/lists/%(pk)s/edit/": {"get": SEEN, "post": SEEN},
    "targets/lists/%(pk)s/delete/": {"get": SEEN, "post": SEEN.replace("200", "302")},
    "observations/": {"get": LIST, "post": REFUSED},
    "observations/create/": {"get": ADDED_TO, "post": ADDED_TO},
    "observations/%(pk)s/": {"get": SHARED, "post": REFUSED},
    "observations/%(pk)s/share/": {"get": CHANGE, "post": CHANGE},
    "dataproducts/": {"get": LIST, "post": REFUSED},
    "dataproducts/upload/": {"get": ADDED_TO, "post": ADDED_TO},
    "dataproducts/%(pk)s/": {"get": SHARED, "post": REFUSED},
    "dataproducts/%(pk)s/download/": {"get": "302 404 404 404 404 404 404", "post": REFUSED},
    "dataproducts/%(pk)s/edit/": {"get": CHANGE, "post": CHANGE.replace("200", "302")},
    "dataproducts/%(pk)s/feature/": {"get": REFUSED, "post": CHANGE.replace("200", "302")},
    "dataproducts/%(pk)s/delete/": {"get": DELETE, "post": DELETE.replace("200", "302")},
    "dataproducts/%(pk)s/share/": {"get": CHANGE, "post": CHANGE},
    "alerts/query/list/": {"get": LIST, "post": REFUSED},
    "alerts/query/create/": {"get": LIST, "post": LIST},
    "alerts/query/%(pk)s/edit/": {"get": OWN, "post": OWN},
    "alerts/query/%(pk)s/delete/": {"get": OWN, "post": OWN.replace("200", "302")},
    "alerts/query/%(pk)s/run/": {"get": OWN, "post": OWN.replace("200", "302")},
    "alerts/query/%(pk)s/run/%(run_id)s/": {"get": OWN_ALONE, "post": REFUSED},
    "alerts/query/%(pk)s/run/%(run_id)s/create/": {"get": REFUSED, "post": OWN_ALONE.replace("200", "302")},
    "alerts/query/%(pk)s/run/%(run_id)s/%(number)s/": {"get": OWN_ALONE, "post": REFUSED},
    "alerts/sample.json": {"get": ALL, "post": REFUSED},
}
QUERIES = {
    "observations/create/": "?target=1&facility=Simulated",
    "dataproducts/upload/": "?target=1",
    "alerts/query/create/": "?broker=Catalogue",
}


@pytest.fixture
def people(request: pytest.FixtureRequest) -> dict[str, User | None]:
    made = {name: request.getfixturevalue(name) for name in ("stranger", "member", "manager", "owner")}
    staff = User.objects.create_user("staff", is_staff=True)
    return {"anonymous": None, **made, "staff": staff, "superuser": User.objects.create_superuser("root")}


@pytest.fixture
def known(people: dict[str, User | None], team: Group) -> dict[str, str]:
    """What the owner has, private to their team; all have the key 1."""
    owner = people["owner"]
    target = Target.objects.create(pk=1, name="M42", ra=1, dec=1, owner=owner)
    ObservationRecord.objects.create(pk=1, target=target, user=owner, facility="Simulated", observation_id="1")
    DataProduct.objects.create(pk=1, target=target, owner=owner, data="missing.csv")
    TargetList.objects.create(pk=1, name="tonight", owner=owner)
    query = BrokerQuery.objects.create(pk=1, name="q", broker="Catalogue", user=owner)
    row = {"raw": {}, "alert": None, "problem": ""}
    run = AlertRun.objects.create(query=query, user=owner, broker="Catalogue", rows=[row])
    return {"pk": "1", "run_id": str(run.pk), "number": "0", "group": str(team.pk)}


def own_pages() -> set[str]:
    return {text for text, _ in addresses() if not text.startswith(ELSEWHERE)} | {"accounts/logout/"}


def test_every_page_has_a_row() -> None:
    assert own_pages() == set(PAGES)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("page", PAGES)
def test_each_page_answers_as_its_row_says(
    page: str, who: str, people: dict[str, User | None], known: dict[str, str]
) -> None:
    client = Client()
    address = "/" + page % ({"pk": known["group"]} if page.startswith("groups/") else known) + QUERIES.get(page, "")
    for verb in VERBS:
        expected = PAGES[page].get({"head": "get"}.get(verb, verb), "")
        if verb == "head" and page == "accounts/logout/":
            expected = REFUSED
        if (user := people[who]) is not None:
            client.force_login(user)
        data = {"list": "1"} if (page, verb) == ("targets/%(pk)s/lists/", "post") else None
        status = getattr(client, verb)(address, data).status_code
        if expected:
            wanted = int(expected.split()[WHO.index(who)])
            assert status == wanted or (status, wanted) == (405, 302), (verb, status, wanted)
        else:  # nothing else does anything
            assert status in (200, 302, 403, 404, 405), (verb, status)
            assert Target.objects.filter(pk=1).exists() or "delete" in page


def test_who_may_not_view_is_answered_as_if_there_were_nothing(
    people: dict[str, User | None], known: dict[str, str]
) -> None:
    """The same page, but for the address, for an object that is hidden and for one that is not there."""
    client = Client()
    stranger = people["stranger"]
    assert stranger is not None
    client.force_login(stranger)
    for text in sorted(own_pages()):
        if "%(pk)s" in text and not any(one in text for one in ("create", "lists/", "/feature/")):
            own = known["group"] if text.startswith("groups/") else "1"
            hidden, missing = (client.get("/" + text % {**known, "pk": pk}) for pk in (own, "999"))
            assert (hidden.status_code, missing.status_code) == (404, 404), text
            assert CSRF.sub(b"", hidden.content) == CSRF.sub(b"", missing.content), text


def test_lists_panels_and_searches_show_nothing_that_is_hidden(
    people: dict[str, User | None], known: dict[str, str]
) -> None:
    Target.objects.create(name="M31", ra=1, dec=1, owner=people["stranger"])
    pages = (
        "/", "/targets/", "/targets/?q=M42", "/targets/?q=m", "/observations/", "/observations/?status=PENDING",
        "/dataproducts/", "/targets/2/",
    )  # fmt: skip
    for who, seen in (("stranger", False), ("staff", False), ("member", True)):
        client = Client()
        client.force_login(people[who])  # type: ignore[arg-type]
        shown = [b'/1/"' in client.get(page).content.replace(b"/alerts/query/1/", b"") for page in pages[:-1]]
        assert shown == [seen] * len(shown), who
    client.force_login(people["stranger"])  # type: ignore[arg-type]
    assert b"M42" not in client.get("/targets/2/").content  # at the same place


def test_visitors_read_what_is_public_where_the_setting_says_so(
    settings: Any, people: dict[str, User | None], known: dict[str, str]
) -> None:
    settings.HELIOSTAT_OPEN_READ = True
    client = Client()
    assert client.get("/targets/1/").status_code == 404
    Target.objects.update(visibility="public")
    for page in (
        "/targets/",
        "/targets/1/",
        "/observations/",
        "/observations/1/",
        "/dataproducts/",
        "/dataproducts/1/",
    ):
        answer = client.get(page)
        assert answer.status_code == 200, page
        assert b"M42" in answer.content or b"missing.csv" in answer.content
    for page in ("/targets/1/edit/", "/targets/create/", "/targets/1/share/", "/dataproducts/upload/?target=1"):
        assert client.get(page)["Location"].startswith("/accounts/login/"), page
    for visible_ones, hidden in pairwise(("/observations/1/", "/observations/create/")):
        assert hidden not in client.get(visible_ones).content.decode()


def test_where_users_may_not_add_the_pages_say_so(
    settings: Any, people: dict[str, User | None], known: dict[str, str]
) -> None:
    settings.HELIOSTAT_USERS_MAY_ADD = False
    client = Client()
    client.force_login(people["owner"])  # type: ignore[arg-type]
    for page in ("targets/create/", "observations/create/", "dataproducts/upload/"):
        address = f"/{page}{QUERIES.get(page, '')}"
        assert (client.get(address).status_code, client.post(address).status_code) == (403, 403), page
    shown = client.get("/targets/1/").content.decode()
    assert "/dataproducts/upload/" not in shown
    assert "/observations/create/" not in shown
    assert client.get("/targets/1/edit/").status_code == 200
    data = form(name="M43") | {"action": "share"}
    assert client.post("/targets/create/", data).status_code == 403
    assert Target.objects.count() == 1
