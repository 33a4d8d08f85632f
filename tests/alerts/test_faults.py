"""Whatever a broker does, the page says it, and the query is kept."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client

from heliostat.alerts import fetching
from heliostat.alerts.models import BrokerQuery
from tests.alerts import brokers
from tests.alerts.server import BrokerServer, as_json

pytestmark = pytest.mark.django_db


def page_of(visitor: Client, query: BrokerQuery) -> str:
    response = visitor.post(f"/alerts/query/{query.pk}/run/", follow=True)
    assert response.status_code == 200
    assert BrokerQuery.objects.get(pk=query.pk).last_run is not None
    return str(response.content.decode())


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("html", "The broker at 127.0.0.1 answered with status 503 Service Unavailable."),
        ("teapot", "status 418"),
        ("text", "The broker&#x27;s answer is not JSON."),
        ("reset", "cannot be reached: it closed the connection."),
        ("hang", "The broker did not finish within 0.3 seconds."),
        ("drip", "The broker did not finish within 0.3 seconds."),
    ],
)
def test_a_broker_that_fails_over_http_is_a_clear_message(
    visitor: Client, server: BrokerServer, query: Any, settings: Any, path: str, message: str
) -> None:
    settings.TOM_ALERT_DEADLINE = 0.3
    began = time.monotonic()
    page = page_of(visitor, query("Direct", target_name=path))
    assert message in page
    assert "alert(1)" not in page
    assert "secret" not in page
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://127.0.0.1:9", "The broker at 127.0.0.1 cannot be reached: the connection was refused."),
        ("http://no-such-host.invalid", "The broker at no-such-host.invalid cannot be reached: its name is not known."),
        ("nonsense", "The broker could not be asked: MissingSchema."),
    ],
)
def test_a_broker_that_cannot_be_reached_is_a_clear_message(
    visitor: Client, query: Any, monkeypatch: pytest.MonkeyPatch, address: str, message: str
) -> None:
    monkeypatch.setattr(brokers, "broker_url", address)
    assert message in page_of(visitor, query("Direct", target_name="x"))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([{"nom": "x"}], "Something is missing in the broker&#x27;s answer, or in the query: name"),
        ({"name": "x"}, "The broker module failed: TypeError"),
        (7, "The broker module failed: TypeError"),
    ],
)
def test_an_answer_of_another_shape_is_a_clear_message(
    visitor: Client, server: BrokerServer, query: Any, answer: Any, message: str
) -> None:
    server.answer = lambda _path, _query: as_json(answer)
    assert message in page_of(visitor, query("MyBroker", target_name="x"))


def test_a_query_without_the_field_names_those_that_there_are(
    visitor: Client, server: BrokerServer, query: Any
) -> None:
    server.answer = lambda _path, _query: as_json([{"name": "x"}])
    assert "&#x27;name&#x27; is no field of the form; the fields are: radius" in page_of(
        visitor, query("MyBroker", radius=1)
    )


def test_a_broker_that_is_not_configured_any_more_is_a_clear_message(visitor: Client, query: Any) -> None:
    stored = query("Gone")
    assert "There is no broker Gone" in page_of(visitor, stored)
    response = visitor.get(f"/alerts/query/{stored.pk}/edit/", follow=True)
    assert "There is no broker Gone" in response.content.decode()


def test_a_broker_that_gives_nothing_is_a_clear_message(visitor: Client, query: Any) -> None:
    assert "fetch_alerts() returned None" in page_of(visitor, query("Nothing"))


def test_parameters_that_are_no_dict_are_no_server_error(visitor: Client, query: Any) -> None:
    stored = query("Catalogue")
    BrokerQuery.objects.update(parameters=["rubbish"])
    assert "Tatooine" in page_of(visitor, stored)


def test_what_came_before_a_failure_is_shown(visitor: Client, query: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers.Rows, "rows", [{"name": "first"}, RuntimeError("<b>torn</b>")])
    page = page_of(visitor, query("Rows"))
    assert "first" in page
    assert "The broker module failed: RuntimeError: &lt;b&gt;torn&lt;/b&gt;" in page


@pytest.mark.parametrize(
    ("alert", "message"),
    [
        ({"name": "x", "surprise": 1}, "TypeError"),
        ({"name": ""}, "is empty or longer"),
        ({"name": "x" * 101}, "is empty or longer"),
        ({"name": "x", "ra": "<b>"}, "ra is &#x27;&lt;b&gt;&#x27;, which is no number"),
        ({"name": "x", "ra": 400}, "outside of 0 to 360"),
        ({"name": "x", "dec": -91}, "outside of -90 to 90"),
        ({"name": "x", "mag": []}, "mag is"),
        ("no dict", "TypeError"),
    ],
)
def test_one_bad_alert_does_not_hide_the_others(
    visitor: Client, query: Any, monkeypatch: pytest.MonkeyPatch, alert: Any, message: str
) -> None:
    monkeypatch.setattr(brokers.Rows, "rows", [{"name": "good"}, alert, {"name": "good too"}])
    page = page_of(visitor, query("Rows"))
    assert "good too" in page
    assert "This alert cannot be used" in page
    assert message in page


def test_odd_numbers_and_bytes_are_shown_and_stored(
    visitor: Client, query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"name": "a\x00b", "ra": 360.0, "dec": "20.5", "mag": float("nan"), "score": None}
    monkeypatch.setattr(brokers.Rows, "rows", [row, {"name": "b", "raw": b"\xff\x00"}])
    page = page_of(visitor, query("Rows"))
    assert "0.00000 20.50000" in page
    assert "nan" not in page


def test_a_stream_without_end_gives_its_first_alerts(visitor: Client, query: Any, settings: Any) -> None:
    settings.TOM_ALERT_LIMIT = 7
    page = page_of(visitor, query("Endless"))
    assert "star 6" in page
    assert "star 7" not in page


def test_threads_that_hang_are_counted_and_at_some_number_none_is_started(
    visitor: Client, server: BrokerServer, query: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    settings.TOM_ALERT_DEADLINE = 0.05
    monkeypatch.setattr(fetching, "_free_threads", threading.BoundedSemaphore(2))
    stored = query("Direct", target_name="hang")
    pages = [page_of(visitor, stored) for _ in range(3)]
    assert ["Too many queries are still waiting" in page for page in pages] == [False, False, True]
