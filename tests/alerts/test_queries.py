"""Stored queries, their results, and targets made of them."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client
from django.test.utils import CaptureQueriesContext

from heliostat.alerts.alerts import QueryParameters
from heliostat.alerts.models import AlertRun, BrokerQuery
from heliostat.targets.models import Target, TargetName
from heliostat.testing import captured_events, subscribed
from tests.alerts import brokers
from tests.alerts.server import BrokerServer, as_json

pytestmark = pytest.mark.django_db
LIST = "/alerts/query/list/"
TATOOINE = {"timestamp": "1977-05-25", "id": 1, "name": "Tatooine", "ra": 77.7, "dec": 21, "mag": 11, "score": 1}


def run(client: Client, query: BrokerQuery) -> AlertRun:
    stored = AlertRun.objects.filter(query=query)
    assert client.post(f"/alerts/query/{query.pk}/run/").status_code == 302
    return stored.latest("created")


def create(client: Client, stored: AlertRun, **data: Any) -> str:
    address = f"/alerts/query/{stored.query_id}/run/{stored.pk}/create/"
    return str(client.post(address, data, follow=True).content.decode())


def test_the_tutorial_from_the_query_to_the_target(visitor: Client, server: BrokerServer, ada: User) -> None:
    server.answer = lambda _path, _query: as_json([TATOOINE, {**TATOOINE, "id": 2, "name": "Hoth"}])
    assert "?broker=MyBroker" in visitor.get(LIST).content.decode()
    page = visitor.get("/alerts/query/create/?broker=MyBroker").content.decode()
    assert 'name="query_name"' in page
    assert 'name="target_name"' in page
    visitor.post(
        "/alerts/query/create/?broker=MyBroker", {"query_name": "mine", "broker": "MyBroker", "target_name": "Tatooine"}
    )
    query = BrokerQuery.objects.get()
    assert (query.name, query.broker, query.parameters, query.user) == (
        "mine",
        "MyBroker",
        {"target_name": "Tatooine"},
        ada,
    )
    assert "mine" in visitor.get(LIST).content.decode()
    stored = run(visitor, query)
    assert "Hoth" not in visitor.get(stored.get_absolute_url()).content.decode()
    raw = visitor.get(f"{stored.get_absolute_url()}0/").content.decode()
    assert "&quot;name&quot;: &quot;Tatooine&quot;" in raw
    with captured_events("targets.*") as events:
        page = create(visitor, stored, selected="0")
    assert "Tatooine</a> was created." in page
    assert "<h1>Tatooine</h1>" in page
    target = Target.objects.get()
    assert (target.name, target.ra, target.dec, target.owner) == ("Tatooine", 77.7, 21, ada)
    facts = dict(target.extras.values_list("key", "value"))
    assert facts["broker"] == "MyBroker"
    assert facts["alert_id"] == "1"
    assert facts["alert_url"] == server.url
    types = [event.type for event in events if event.resource == "targets.target"]
    assert types == ["targets.target.created", "targets.target.ingested"]


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"target_name": "x"}, None),
        ({"target_name": "x", "ra": 1}, None),
        ({"ra": 1}, "'name' is no field of the form; the fields are: ra"),
        ({"target_name": "x", "host_name": "y"}, "could be target_name or host_name"),
        ({}, "the fields are: none"),
    ],
)
def test_a_field_is_found_under_the_name_that_plainly_means_it(parameters: dict[str, Any], words: str | None) -> None:
    if words is None:
        assert QueryParameters(parameters)["name"] == "x"
        return
    with pytest.raises(KeyError) as error:
        QueryParameters(parameters)["name"]
    assert words in error.value.args[0]


def test_a_field_of_that_very_name_wins() -> None:
    assert QueryParameters(name="a", target_name="b")["name"] == "a"
    assert QueryParameters(target_name="b").get("name") is None


def test_a_query_of_a_broker_that_there_is_not_is_a_404(visitor: Client) -> None:
    assert visitor.get("/alerts/query/create/?broker=Nobody").status_code == 404
    assert visitor.get("/alerts/query/create/").status_code == 404


def test_what_is_wrong_with_a_query_is_said_at_the_field(visitor: Client, query: Any) -> None:
    query("Catalogue")
    address = "/alerts/query/create/?broker=Catalogue"
    assert "This field is required" in visitor.post(address, {"query_name": ""}).content.decode()
    assert "A cone needs a radius" in visitor.post(address, {"query_name": "x", "coordinates": "1 2"}).content.decode()
    page = visitor.post(address, {"query_name": "my Catalogue"}).content.decode()
    assert "You have a query of this name already." in page
    assert BrokerQuery.objects.count() == 1


def test_two_users_may_use_the_same_name(visitor: Client, query: Any, django_user_model: type[User]) -> None:
    query("Catalogue")
    visitor.force_login(django_user_model.objects.create_user("eve"))
    visitor.post("/alerts/query/create/?broker=Catalogue", {"query_name": "my Catalogue"})
    assert BrokerQuery.objects.filter(name="my Catalogue").count() == 2


def test_editing_shows_what_was_asked_and_keeps_the_owner(visitor: Client, query: Any, ada: User) -> None:
    stored = query("Catalogue", target_name="1987A", type="", brighter_than=5.0)
    page = visitor.get(f"/alerts/query/{stored.pk}/edit/").content.decode()
    assert 'value="1987A"' in page
    assert 'value="my Catalogue"' in page
    visitor.post(f"/alerts/query/{stored.pk}/edit/", {"query_name": "renamed", "target_name": "Tycho"})
    stored.refresh_from_db()
    assert (stored.name, stored.parameters["target_name"], stored.user) == ("renamed", "Tycho", ada)


def test_a_query_of_another_user_cannot_be_seen_run_edited_or_deleted(
    client: Client, visitor: Client, query: Any, django_user_model: type[User]
) -> None:
    stored = query("Catalogue")
    ran = run(visitor, stored)
    client.force_login(django_user_model.objects.create_user("eve"))
    assert "my Catalogue" not in client.get(LIST).content.decode()
    for action in ("run", "edit", "delete"):
        assert client.get(f"/alerts/query/{stored.pk}/{action}/").status_code == 404
        assert client.post(f"/alerts/query/{stored.pk}/{action}/").status_code in (404, 405)
    assert client.get(ran.get_absolute_url()).status_code == 404
    assert client.get(f"{ran.get_absolute_url()}0/").status_code == 404
    assert client.post(f"{ran.get_absolute_url()}create/", {"selected": "0"}).status_code == 404
    assert BrokerQuery.objects.exists()
    assert not Target.objects.exists()


def test_superusers_run_and_delete_anybody_s_query(client: Client, query: Any, django_user_model: type[User]) -> None:
    stored = query("Catalogue")
    client.force_login(django_user_model.objects.create_superuser("root"))
    assert "my Catalogue" in client.get(LIST).content.decode()
    run(client, stored)
    assert client.get(f"/alerts/query/{stored.pk}/delete/").status_code == 200
    assert BrokerQuery.objects.exists()
    client.post(f"/alerts/query/{stored.pk}/delete/")
    assert not BrokerQuery.objects.exists()


def test_targets_are_made_of_exactly_what_was_shown(
    visitor: Client, query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same row number and id at another broker, in a later run, or of another user means something else."""
    monkeypatch.setattr(brokers.Rows, "rows", [{"name": "as shown", "ra": 1.0, "dec": 2.0}])
    first = run(visitor, query("Rows"))
    run(visitor, query("Other"))
    monkeypatch.setattr(brokers.Rows, "rows", [{"name": "later", "ra": 5.0, "dec": 6.0}])
    run(visitor, first.query)
    create(visitor, first, selected="0")
    target = Target.objects.get()
    assert (target.name, target.ra, target.dec) == ("as shown", 1.0, 2.0)
    assert dict(target.extras.values_list("key", "value"))["broker"] == "Rows"


def test_a_run_of_another_user_of_the_same_query_is_not_mine(
    client: Client, visitor: Client, query: Any, django_user_model: type[User]
) -> None:
    ran = run(visitor, query("Catalogue"))
    client.force_login(django_user_model.objects.create_superuser("root"))
    assert client.get(ran.get_absolute_url()).status_code == 404


def test_only_the_newest_runs_are_kept(visitor: Client, query: Any) -> None:
    stored = query("Other")
    runs = [run(visitor, stored) for _ in range(AlertRun.KEPT + 2)]
    assert list(AlertRun.objects.all()) == list(reversed(runs[2:]))
    assert visitor.get(runs[0].get_absolute_url()).status_code == 404


def test_several_chosen_alerts_become_targets_and_the_button_of_a_row_only_that(visitor: Client, query: Any) -> None:
    ran = run(visitor, query("Catalogue", target_name="SN 19"))
    create(visitor, ran, selected=["0", "1", "2"], only="3")
    assert Target.objects.count() == 1
    create(visitor, ran, selected=["0", "1", "999", "x"])
    assert Target.objects.count() == 3
    assert "No alert was chosen" in create(visitor, ran)


def test_an_alias_of_an_alert_is_an_alias_of_its_target(visitor: Client, query: Any) -> None:
    ran = run(visitor, query("Catalogue", target_name="AT2017gfo"))
    create(visitor, ran, only="0")
    target = Target.objects.get()
    assert [alias.name for alias in target.aliases.all()] == ["SSS17a", "DLT17ck"]
    assert target.extras.get(key="classification").value == "Kilonova"


@pytest.mark.parametrize(
    ("existing", "reason"),
    [
        ({"name": "as SENT"}, "the name as sent"),
        ({"name": "near", "ra": 10.0, "dec": 20.0004}, "its position (1.4″ away)"),
    ],
)
def test_an_alert_of_a_known_target_links_to_it(
    visitor: Client, query: Any, monkeypatch: pytest.MonkeyPatch, existing: dict[str, Any], reason: str
) -> None:
    monkeypatch.setattr(brokers.Rows, "rows", [{"name": "as sent", "ra": 10.0, "dec": 20.0}])
    target = Target.objects.create(**existing)
    page = create(visitor, run(visitor, query("Rows")), only="0")
    assert f"recognised by {reason}" in page
    assert target.get_absolute_url() in page
    assert Target.objects.count() == 1


def test_an_alert_whose_alias_is_a_known_target_links_to_it(visitor: Client, query: Any) -> None:
    Target.objects.create(name="DLT17ck")
    page = create(visitor, run(visitor, query("Catalogue", target_name="AT2017gfo")), only="0")
    assert "recognised by the name DLT17ck" in page


def test_a_row_says_that_there_is_a_target_already(visitor: Client, query: Any) -> None:
    target = Target.objects.create(name="Tatooine")
    page = visitor.get(run(visitor, query("Catalogue", target_name="tatooine")).get_absolute_url()).content.decode()
    assert f'href="{target.get_absolute_url()}">target</a>' in page


def test_a_broker_may_make_its_targets_itself(visitor: Client, query: Any) -> None:
    create(visitor, run(visitor, query("Own")), only="0")
    assert Target.objects.get().name == "Own as sent"


def test_a_broker_that_cannot_make_a_target_says_so(visitor: Client, query: Any) -> None:
    page = create(visitor, run(visitor, query("Wrong")), only="0")
    assert "Wrong cannot make a target of x: &lt;i&gt;no&lt;/i&gt;" in page


def test_a_refused_target_is_a_message_and_leaves_nothing(visitor: Client, query: Any) -> None:
    def refuse(event: Any) -> None:
        raise ValidationError("Too faint.")

    ran = run(visitor, query("Catalogue", target_name="Tatooine"))
    with subscribed(refuse, "targets.target.created", when="in_transaction"):
        assert "Too faint." in create(visitor, ran, only="0")
    assert not Target.objects.exists()


def test_a_name_that_is_taken_at_the_same_moment_is_a_message(visitor: Client, query: Any) -> None:
    def rival(instance: Target, **_: Any) -> None:
        rivals = Target.objects.bulk_create([Target(name="rival")])
        TargetName.objects.bulk_create([TargetName(target=rivals[0], name="DLT17ck")])

    ran = run(visitor, query("Catalogue", target_name="AT2017gfo"))
    pre_save.connect(rival, sender=Target)
    try:
        page = create(visitor, ran, only="0")
    finally:
        pre_save.disconnect(rival, sender=Target)
    assert "one of its names is taken" in page
    assert not Target.objects.exists()


def test_the_results_page_makes_few_queries_and_is_light_with_a_hundred_alerts(visitor: Client, query: Any) -> None:
    stored = query("Endless")
    with CaptureQueriesContext(connection) as queries:
        page = visitor.post(f"/alerts/query/{stored.pk}/run/", follow=True)
    assert 4 < len(queries) <= 24  # those of the run, and of the page that it leads to
    assert len(page.content) < 100_000
    assert "star 99" in page.content.decode()


def test_the_raw_alert_is_escaped(visitor: Client, query: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers.Rows, "rows", [{"name": "<script>x", "url": "javascript:alert(1)"}])
    ran = run(visitor, query("Rows"))
    for page in (visitor.get(ran.get_absolute_url()), visitor.get(f"{ran.get_absolute_url()}0/")):
        assert b"<script>x" not in page.content
        assert b'href="javascript' not in page.content
    assert visitor.get(f"{ran.get_absolute_url()}7/").status_code == 404


def test_the_sample_is_public_and_of_the_tutorial_s_shape(client: Client) -> None:
    rows = client.get("/alerts/sample.json").json()
    assert len(rows) >= 41
    assert all(list(row) == ["timestamp", "id", "name", "ra", "dec", "mag", "score"] for row in rows)
    assert [row["name"] for row in rows].count("Tatooine") == 1


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("runbrokerquery", *arguments, stdout=out, stderr=out)
    return out.getvalue()


def test_the_command_runs_a_query_by_name_or_id_and_makes_targets(query: Any) -> None:
    stored = query("Catalogue", target_name="Tatooine")
    assert "Tatooine  1977-05-25" in command("my Catalogue")
    assert not Target.objects.exists()
    assert "Tatooine: target created" in command(str(stored.pk), "--create-targets")
    assert "is there already as Tatooine, recognised by the name" in command(str(stored.pk), "--create-targets")
    assert Target.objects.get().owner == stored.user
    stored.refresh_from_db()
    assert stored.last_run is not None


def test_the_command_says_what_it_cannot_do(query: Any, django_user_model: type[User]) -> None:
    query("Nothing")
    with pytest.raises(CommandError, match="returned None"):
        command("my Nothing")
    with pytest.raises(CommandError, match="Stored queries: my Nothing"):
        command("nobody")
    BrokerQuery.objects.create(name="my Nothing", broker="Other", user=django_user_model.objects.create_user("eve"))
    with pytest.raises(CommandError, match=r"\(ada\), \d+ \(eve\)"):
        command("my Nothing")


def test_a_query_form_that_gives_what_json_cannot_hold_is_a_form_error(visitor: Client, monkeypatch: Any) -> None:
    monkeypatch.setattr(brokers.MyBrokerForm, "parameters", lambda self: json.dumps(object()))
    page = visitor.post("/alerts/query/create/?broker=MyBroker", {"query_name": "x", "target_name": "y"})
    assert "cannot be stored" in page.content.decode()
