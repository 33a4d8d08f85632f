"""Pages ask Django's permissions for each verb: `is_staff` opens nothing that belongs to somebody else."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target
from heliostat.webhooks.models import Signal

pytestmark = pytest.mark.django_db

POST_SAVE = "django.db.models.signals.post_save"

USERS: dict[str, tuple[str, ...] | None] = {
    "anonymous": None,
    "owner": (),
    "plain": (),
    "staff": (),
    "viewer": ("view",),
    "editor": ("change",),
    "remover": ("view", "delete"),
    "superuser": (),
}
EVERYONE = ("owner", "plain", "staff", "viewer", "editor", "remover", "superuser")
WRITE_TARGET = {"name": "new", "type": "SIDEREAL", "ra": "1", "dec": "2"} | {
    f"{prefix}-{name}": "0" for prefix in ("aliases", "extras") for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}
WRITE_QUERY = {"query_name": "new", "broker": "Catalogue"}

# address, method, form; who is let in; what the others are answered (404: they may not know that it is there)
MATRIX: list[tuple[str, str, dict[str, str], tuple[str, ...], dict[str, int]]] = [
    ("/targets/", "get", {}, EVERYONE, {}),
    ("/targets/{target}/", "get", {}, EVERYONE, {}),
    ("/targets/create/", "get", {}, EVERYONE, {}),
    ("/targets/{target}/edit/", "get", {}, ("owner", "editor", "superuser"), {}),
    ("/targets/{target}/edit/", "post", WRITE_TARGET, ("owner", "editor", "superuser"), {}),
    ("/targets/{target}/delete/", "get", {}, ("owner", "remover", "superuser"), {}),
    ("/targets/{target}/delete/", "post", {}, ("owner", "remover", "superuser"), {}),
    ("/observations/", "get", {}, EVERYONE, {}),
    ("/observations/{observation}/", "get", {}, EVERYONE, {}),
    ("/observations/create/?target={target}&facility=Simulated", "get", {}, EVERYONE, {}),
    ("/dataproducts/", "get", {}, EVERYONE, {}),
    ("/dataproducts/upload/?target={target}", "get", {}, EVERYONE, {}),
    ("/alerts/query/list/", "get", {}, EVERYONE, {}),
    ("/alerts/query/create/?broker=Catalogue", "get", {}, EVERYONE, {}),
    ("/alerts/query/{query}/edit/", "get", {}, ("owner", "editor", "superuser"), {"plain": 404, "staff": 404}),
    (
        "/alerts/query/{query}/edit/",
        "post",
        WRITE_QUERY,
        ("owner", "editor", "superuser"),
        {"plain": 404, "staff": 404},
    ),
    ("/alerts/query/{query}/delete/", "get", {}, ("owner", "remover", "superuser"), {"plain": 404, "staff": 404}),
    ("/alerts/query/{query}/delete/", "post", {}, ("owner", "remover", "superuser"), {"plain": 404, "staff": 404}),
    ("/alerts/query/{query}/run/", "post", {}, ("owner", "editor", "superuser"), {"plain": 404, "staff": 404}),
    ("/alerts/query/{query}/run/{run}/", "get", {}, ("owner",), dict.fromkeys(EVERYONE, 404)),
    ("/alerts/query/{query}/run/{run}/0/", "get", {}, ("owner",), dict.fromkeys(EVERYONE, 404)),
    ("/alerts/query/{query}/run/{run}/create/", "post", {"only": "0"}, ("owner",), dict.fromkeys(EVERYONE, 404)),
]
MODELS = ("target", "brokerquery", "observationrecord", "dataproduct", "alertrun")


def user_called(name: str) -> User:
    user = User.objects.create_user(name, is_staff=name not in ("owner", "plain"), is_superuser=name == "superuser")
    codenames = [f"{action}_{model}" for action in USERS[name] or () for model in MODELS]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user


@pytest.fixture
def owner() -> User:
    return user_called("owner")


@pytest.fixture
def made(owner: User) -> dict[str, Any]:
    """What the owner has."""
    target = Target.objects.create(name="M42", ra=1, dec=2, owner=owner)
    query = BrokerQuery.objects.create(name="tonight", broker="Catalogue", user=owner)
    observation = ObservationRecord.objects.create(target=target, user=owner, facility="Simulated")
    row = {"raw": {}, "alert": None, "problem": ""}
    run = AlertRun.objects.create(query=query, user=owner, broker="Catalogue", rows=[row])
    return {"target": target.pk, "query": query.pk, "observation": observation.pk, "run": run.pk}


def ask(client: Client, address: str, method: str, form: dict[str, str]) -> int:
    return int(getattr(client, method)(address, form).status_code)


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values()) for model in (Target, BrokerQuery, ObservationRecord, AlertRun)]


@pytest.mark.parametrize("name", USERS)
@pytest.mark.parametrize(("address", "method", "form", "allowed", "otherwise"), MATRIX)
def test_each_page_is_for_its_owner_and_for_users_with_the_permission(
    client: Client,
    made: dict[str, Any],
    owner: User,
    name: str,
    address: str,
    method: str,
    form: dict[str, str],
    allowed: tuple[str, ...],
    otherwise: dict[str, int],
) -> None:
    if name != "anonymous":
        client.force_login(owner if name == "owner" else user_called(name))
    before = rows()
    status = ask(client, address.format(**made), method, form)
    if name in allowed:
        assert status in (200, 302)
    else:
        assert status == (302 if name == "anonymous" else otherwise.get(name, 403))
        assert rows() == before


def test_a_user_who_was_deactivated_has_no_page_any_more(client: Client, made: dict[str, Any], owner: User) -> None:
    client.force_login(owner)
    User.objects.update(is_active=False)
    for address, method, form, *_ in MATRIX:
        assert ask(client, address.format(**made), method, form) == 302, address
    assert Target.objects.exists()
    assert BrokerQuery.objects.exists()


def test_a_permission_that_was_taken_away_counts_no_longer(client: Client, made: dict[str, Any]) -> None:
    editor = user_called("editor")
    client.force_login(editor)
    assert client.get(f"/targets/{made['target']}/edit/").status_code == 200
    editor.user_permissions.clear()
    assert client.get(f"/targets/{made['target']}/edit/").status_code == 403
    assert client.get(f"/alerts/query/{made['query']}/edit/").status_code == 404


def test_pages_offer_only_what_a_user_may_do(client: Client, made: dict[str, Any]) -> None:
    for name, offered in (
        ("staff", ()),
        ("editor", ("edit",)),
        ("remover", ("delete",)),
        ("superuser", ("edit", "delete")),
    ):
        client.force_login(user_called(name))
        target = client.get(f"/targets/{made['target']}/").content.decode()
        queries = client.get("/alerts/query/list/").content.decode()
        for verb in ("edit", "delete"):
            assert (f"/targets/{made['target']}/{verb}/" in target) is (verb in offered)
            assert (f"/alerts/query/{made['query']}/{verb}/" in queries) is (verb in offered)


class OneObject:
    """An authentication backend that knows objects: everybody may change and delete what is called M42 or tonight."""

    def authenticate(self, request: Any, **credentials: Any) -> None:
        return None

    def has_perm(self, user: Any, permission: str, one: Any = None) -> bool:
        return getattr(one, "name", "") in ("M42", "tonight") and user.is_active


def test_permission_on_one_object_counts_for_that_object_alone(
    client: Client, made: dict[str, Any], settings: Any
) -> None:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend", f"{__name__}.OneObject"]
    other = Target.objects.create(name="M51", ra=1, dec=2)
    client.force_login(user_called("plain"))
    assert client.get(f"/targets/{made['target']}/edit/").status_code == 200
    assert client.get(f"/targets/{other.pk}/edit/").status_code == 403
    assert client.get(f"/alerts/query/{made['query']}/edit/").status_code == 200
    sue = user_called("staff")
    client.force_login(sue)
    page = "/admin/heliostat_targets/target/{}/change/"
    assert client.get(page.format(made["target"])).status_code == 200
    assert client.get(page.format(other.pk)).status_code == 403
    assert client.get("/admin/heliostat_targets/target/").status_code == 403


ADMIN = [
    ("heliostat_targets/target", "target"),
    ("heliostat_observations/observationrecord", "observation"),
    ("heliostat_dataproducts/dataproduct", "product"),
    ("heliostat_alerts/brokerquery", "query"),
    ("heliostat_webhooks/signal", "signal"),
]
VERBS = {"": ("view", "change"), "add/": ("add",), "{}/change/": ("view", "change"), "{}/delete/": ("delete",)}


@pytest.mark.parametrize("granted", [None, "view", "add", "change", "delete"])
@pytest.mark.parametrize(("page", "name"), ADMIN)
def test_the_admin_asks_the_permission_for_each_verb(
    client: Client, made: dict[str, Any], page: str, name: str, granted: str | None
) -> None:
    product = DataProduct.objects.create(target_id=made["target"], data="a.txt")
    keys = {**made, "product": product.pk, "signal": Signal.objects.create(name=POST_SAVE).pk}
    sue = User.objects.create_user("sue", is_staff=True)
    sue.user_permissions.set(Permission.objects.filter(codename=f"{granted}_{page.partition('/')[2]}"))
    client.force_login(sue)
    for verb, enough in VERBS.items():
        address = f"/admin/{page}/{verb.format(keys[name])}"
        assert client.get(address).status_code == (200 if granted in enough else 403), address
        if granted is None:
            assert client.post(address, {"post": "yes"}).status_code == 403, address
