"""Names with hidden characters: refused where a person or program writes them, cleaned where a broker sends them,
isolated where a page shows them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.test import Client

from heliostat.alerts.alerts import BrokerError, GenericAlert
from heliostat.alerts.fetching import checked
from heliostat.alerts.ingest import ingest
from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.dataproducts.models import DataProduct
from heliostat.observations.models import ObservationRecord
from heliostat.targets.models import Target, TargetExtra, TargetName
from heliostat.webhooks.api import create_hook
from heliostat.webhooks.models import Hook

pytestmark = pytest.mark.django_db
HIDDEN = ("\x1b[31m", "\u202e", "\u2066", "\u200b", "\u2028", "\x00", "\x85", "\ufeff")
NAMED: tuple[tuple[type[Any], str], ...] = (
    (Target, "name"), (TargetName, "name"), (TargetExtra, "key"), (TargetExtra, "value"), (BrokerQuery, "name"),
    (ObservationRecord, "facility"), (ObservationRecord, "observation_id"), (DataProduct, "product_id"), (Hook, "name"),
)  # fmt: skip


@pytest.fixture
def root(client: Client, django_user_model: type[User]) -> User:
    user = django_user_model.objects.create_superuser("root", password="x")
    client.force_login(user)
    return user


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
@pytest.mark.parametrize(("model", "field"), NAMED, ids=lambda one: getattr(one, "__name__", one))
def test_each_name_is_validated(model: type[Any], field: str, hidden: str) -> None:
    with pytest.raises(ValidationError) as refused:
        model(**{field: f"M{hidden}31"}).clean_fields()
    assert field in refused.value.message_dict


@pytest.mark.parametrize("hidden", ["\x1b", "\u202e", "\u200b"], ids=ascii)
def test_pages_admin_api_and_code_refuse_a_name(client: Client, root: User, hidden: str) -> None:
    name, counts = f"M{hidden}31", {"TOTAL_FORMS": 1, "INITIAL_FORMS": 0}
    form = {"name": name, "type": "SIDEREAL", "ra": 1, "dec": 2, "aliases-0-name": "", "extras-0-key": ""}
    form |= {f"{prefix}-{key}": value for prefix in ("aliases", "extras") for key, value in counts.items()}
    for address in ("/targets/create/", "/admin/heliostat_targets/target/add/"):
        assert "is hidden: U+" in client.post(address, form).content.decode()
    alias = {**form, "name": "M31", "aliases-0-name": name}
    assert "is hidden: U+" in client.post("/targets/create/", alias).content.decode()
    query = {"query_name": name}
    assert "is hidden: U+" in client.post("/alerts/query/create/?broker=Catalogue", query).content.decode()
    hook = {"name": name, "model": "targets.target", "target_url": "https://example.com/"}
    assert "is hidden: U+" in client.post("/api/hooks/", hook, content_type="application/json").json()["name"][0]
    with pytest.raises(ValidationError, match="hidden"):
        create_hook(model=Target, target_url="https://example.com/", name=name)
    assert [model.objects.count() for model in (Target, BrokerQuery, Hook)] == [0, 0, 0]


def test_an_alert_s_names_are_cleaned_and_what_came_is_kept() -> None:
    raw = {"name": "SN\u202e 2024\x1babc"}
    aliases = ("AT\u200b1", "\u200b", " ")
    alert = checked(GenericAlert(timestamp="2024\n", id="1\x00", name=raw["name"], aliases=aliases))
    assert (alert.name, alert.id, alert.timestamp, alert.aliases) == ("SN 2024abc", "1", "2024", ("AT1",))
    alert.raw = raw
    made = ingest(alert, "Catalogue").target
    assert Target.objects.get(pk=made.pk).name == "SN 2024abc"
    assert alert.raw == {"name": "SN\u202e 2024\x1babc"}


def test_an_alert_whose_name_is_nothing_but_hidden_is_refused_with_a_reason() -> None:
    with pytest.raises(ValueError, match="is empty"):
        checked(GenericAlert(timestamp="", id=1, name="\u202e\u200b"))


@pytest.mark.parametrize("fields", [{"name": ""}, {"name": "x" * 101}, {"ra": 400.0}, {"dec": float("nan")}])
def test_a_broker_s_own_target_that_cannot_be_stored_is_an_error_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]
) -> None:
    monkeypatch.setattr(
        "heliostat.alerts.brokers.catalogue.broker.CatalogueBroker.to_target",
        lambda _, alert: Target(**{"name": alert.name, **fields}),
    )
    with pytest.raises(BrokerError, match=f"no usable target of M31: {next(iter(fields))}: "):
        ingest(GenericAlert(timestamp="", id=1, name="M31"), "Catalogue")


def test_a_page_isolates_names_and_writes_out_what_nobody_looked_at(client: Client, root: User) -> None:
    target = Target.objects.create(name="M\u202e31", owner=root)  # by a program
    target.aliases.create(name="a\u2066lias")
    target.extras.create(key="k", value="v\u202e")
    page = client.get("/targets/").content.decode()
    assert r"<bdi>M\u202e31</bdi>" in page
    page = client.get(target.get_absolute_url()).content.decode()
    assert r"<h1>M\u202e31</h1>" in page
    assert r"<bdi>a\u2066lias</bdi>" in page
    assert r"v\u202e" in page
    query = BrokerQuery.objects.create(name="q", broker="Catalogue", user=root)
    row = {"raw": {"text": "\u202e\x9b"}, "alert": None, "problem": "bad\u202e"}
    run = AlertRun.objects.create(query=query, user=root, broker="Catalogue", rows=[row])
    page = client.get(f"{run.get_absolute_url()}0/").content.decode()
    assert r"\u202e\u009b" in page
    assert not set(page) & {"\u202e", "\x9b"}


def test_commands_print_no_hidden_characters(capsys: pytest.CaptureFixture[str]) -> None:
    target = Target.objects.create(name="M\x1b[2J\n31")
    ObservationRecord.objects.create(target=target, facility="No\u202ene", observation_id="1", status="PENDING")
    call_command("updatestatus", verbosity=2)
    out = capsys.readouterr().out
    assert r"M\u001b[2J\n31 @ No\u202ene (1): skipped." in out
    assert not set(out) & {"\x1b", "\u202e"}
