"""The two brokers that come with Heliostat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

import heliostat
from heliostat.alerts.alerts import QueryParameters
from heliostat.alerts.brokers.alerce import ALeRCEBroker
from heliostat.alerts.brokers.alerce.broker import PAGE_SIZE, ALeRCEForm
from heliostat.alerts.brokers.catalogue import CatalogueBroker
from heliostat.alerts.brokers.catalogue.broker import transients
from heliostat.alerts.fetching import checked, fetch
from heliostat.targets.models import Target
from tests.alerts.server import BrokerServer, as_json


def names(**asked: Any) -> list[str]:
    return [entry["name"] for entry in CatalogueBroker().fetch_alerts(QueryParameters(asked))]


def test_the_catalogue_has_forty_real_transients_each_with_its_sources() -> None:
    real = [entry for entry in transients() if entry["type"] != "Fictional"]
    assert len(real) >= 40
    assert all(entry["source"]["position"] and entry["url"] for entry in real)
    assert len({entry["name"] for entry in transients()}) == len(transients())


@pytest.mark.django_db
def test_every_entry_is_a_usable_alert() -> None:
    broker = CatalogueBroker()
    for entry in transients():
        alert = checked(broker.to_generic_alert(entry))
        alert.to_target().full_clean(exclude=["owner"], validate_unique=False, validate_constraints=False)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"target_name": "1987a"}, ["SN 1987A"]),
        ({"target_name": "sss17A"}, ["AT2017gfo"]),
        ({"target_name": "Tatooine"}, ["Tatooine"]),
        ({"type": "Kilonova"}, ["AT2017gfo"]),
        ({"type": "Kilonova", "brighter_than": 17.0}, []),
        ({"type": "Kilonova", "brighter_than": 17.3}, ["AT2017gfo"]),
        ({"coordinates": [197.45, -23.38], "radius": 36}, ["AT2017gfo"]),
        ({"coordinates": [197.45, -23.38], "radius": 3.6}, []),
    ],
)
def test_the_catalogue_is_asked_by_name_type_magnitude_and_cone(asked: dict[str, Any], expected: list[str]) -> None:
    assert names(**asked) == expected


def test_an_empty_query_gives_everything() -> None:
    assert len(names(target_name="", type="", brighter_than=None, ra=None)) == len(transients())


@pytest.fixture
def alerce(settings: Any) -> Iterator[BrokerServer]:
    with BrokerServer() as server:
        settings.TOM_ALERCE_URL = f"{server.url}/ztf/v1/"
        yield server


def recorded(shared_data: Path) -> Any:
    file = shared_data / "broker_responses" / "alerce" / "object_ZTF18abcgqmz.json"
    return json.loads(file.read_text())


def test_an_object_is_looked_up_by_its_id_as_recorded(alerce: BrokerServer, shared_data: Path) -> None:
    exchange = recorded(shared_data)
    alerce.answer = lambda _path, _query: as_json(exchange["response"]["body"], exchange["response"]["status"])
    fetched = fetch("ALeRCE", {"oid": "ZTF18abcgqmz", "class_name": ""})
    assert fetched.problem == ""
    (row,) = fetched.rows
    assert row.alert is not None
    assert (row.alert.name, row.alert.ra, row.alert.dec) == ("ZTF18abcgqmz", 279.90476624999997, -4.8708879)
    assert str(row.alert.timestamp).startswith("2018-08-17T04:35:33.002")
    assert row.raw["ndethist"] == "2"
    path, _query, headers = alerce.asked[0]
    assert exchange["request"]["url"].endswith(path)
    assert heliostat.__version__ in headers["User-Agent"]


def test_pages_are_asked_for_until_one_is_short_and_no_object_comes_twice(
    alerce: BrokerServer, shared_data: Path, settings: Any
) -> None:
    settings.TOM_ALERT_LIMIT = 1000
    item = recorded(shared_data)["response"]["body"]
    full = [{**item, "oid": f"ZTF{n}", "class": "SNIa", "probability": 0.9} for n in range(PAGE_SIZE)]
    pages = {"1": full, "2": [*full[-1:], {**item, "oid": "ZTFlast", "class": None}]}
    alerce.answer = lambda _path, query: as_json({"total": None, "items": pages[query["page"][0]]})
    asked = {
        "classifier": "lc_classifier",
        "class_name": "SNIa",
        "ndet": 5,
        "probability": 0.5,
        "coordinates": None,
        "oid": "",
    }
    fetched = fetch("ALeRCE", asked)
    assert fetched.problem == ""
    assert len(fetched.rows) == PAGE_SIZE + 1
    assert fetched.rows[0].alert is not None
    assert (fetched.rows[0].alert.classification, fetched.rows[0].alert.score) == ("SNIa", 0.9)
    assert len(alerce.asked) == 2
    path, query, _headers = alerce.asked[0]
    assert path == "/ztf/v1/objects/"
    assert {name: query[name] for name in ("classifier", "class", "ndet", "probability")} == {
        "classifier": ["lc_classifier"],
        "class": ["SNIa"],
        "ndet": ["5"],
        "probability": ["0.5"],
    }
    assert "ra" not in query


def test_no_more_pages_are_asked_for_than_are_needed(alerce: BrokerServer, settings: Any) -> None:
    settings.TOM_ALERT_LIMIT = PAGE_SIZE
    item = {"oid": "", "meanra": 1, "meandec": 1, "lastmjd": 59000}
    alerce.answer = lambda _p, q: as_json({"items": [{**item, "oid": f"{q['page'][0]}-{n}"} for n in range(PAGE_SIZE)]})
    assert len(fetch("ALeRCE", {}).rows) == PAGE_SIZE
    assert len(alerce.asked) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (as_json({"message": "not found"}, 404), "answered with status 404"),
        (as_json({"items": None}), "has no list of objects"),
        (as_json([]), "has no list of objects"),
        (as_json({"items": ["x"]}), "holds something that is no object"),
        ((200, "text/html", b"<html>"), "not JSON"),
    ],
)
def test_an_answer_of_alerce_that_cannot_be_used_is_said(alerce: BrokerServer, answer: Any, message: str) -> None:
    alerce.answer = lambda _path, _query: answer
    assert message in fetch("ALeRCE", {}).problem


def test_an_object_without_a_position_is_a_row_error(alerce: BrokerServer) -> None:
    good = {"oid": "ZTF1", "meanra": 1, "meandec": 1, "lastmjd": 59000}
    alerce.answer = lambda _path, _query: as_json({"items": [good, {"oid": "ZTF2"}]})
    assert [bool(row.problem) for row in fetch("ALeRCE", {}).rows] == [False, True]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"ra": "1"}, "Write right ascension and declination"),
        ({"radius": "1"}, "A radius needs coordinates"),
        ({"coordinates": "1 2", "radius": "2", "radius_unit": "deg"}, "A radius is at most 1 deg"),
        ({"class_name": "SNIa"}, "choose one"),
        ({"oid": "../../etc"}, "valid value"),
    ],
)
def test_the_form_says_what_alerce_cannot_be_asked(asked: dict[str, str], words: str) -> None:
    form = ALeRCEForm({"query_name": "x", **asked})
    assert not form.is_valid()
    assert words in str(form.errors)


@pytest.mark.django_db
def test_a_target_is_made_of_a_recorded_object(
    client: Client, visitor: Client, query: Any, alerce: BrokerServer, shared_data: Path
) -> None:
    body = recorded(shared_data)["response"]["body"]
    alerce.answer = lambda _path, _query: as_json(body)
    stored = query("ALeRCE", oid="ZTF18abcgqmz")
    visitor.post(f"/alerts/query/{stored.pk}/run/")
    ran = stored.runs.get()
    visitor.post(f"{ran.get_absolute_url()}create/", {"only": "0"})
    assert Target.objects.get().extras.get(key="alert_url").value == "https://alerce.online/object/ZTF18abcgqmz"


def test_the_broker_knows_its_own_name() -> None:
    assert ALeRCEBroker.name == "ALeRCE"
