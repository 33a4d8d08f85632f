"""Document 004, "Creating an Alert Broker Module", followed step by step in a project of `heliostat new`.

Only import roots differ from the document, and `broker_url` is a server on this machine.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.browser import Browser
from tests.cli.projects import PASSWORD, USERNAME
from tests.cli.running import free_port, manage, running

from heliostat.testing.receiver import Answer, Receiver

pytestmark = pytest.mark.slow

SAMPLE = [
    {
        "timestamp": "2018-09-12T19:33:12.000Z",
        "id": number,
        "name": name,
        "ra": ra,
        "dec": dec,
        "mag": mag,
        "score": score,
    }
    for number, name, ra, dec, mag, score in (
        (1, "Hoth", 212.25, -21.5, 18.2, 0.91),
        (2, "Tatooine", 26.19, 32.47, 13.7, 0.64),
        (3, "Endor", 330.01, 12.4, 16.6, 0.22),
    )
]

MY_BROKER = """
from heliostat.alerts.alerts import GenericQueryForm, GenericAlert, GenericBroker
from heliostat.alerts.models import BrokerQuery
from heliostat.targets.models import Target
from django import forms
import requests

broker_url = 'BROKER_URL'


class MyBrokerForm(GenericQueryForm):
    target_name = forms.CharField(required=True)


class MyBroker(GenericBroker):
    name = 'MyBroker'
    form = MyBrokerForm

    @classmethod
    def fetch_alerts(clazz, parameters):
        response = requests.get(broker_url)
        response.raise_for_status()
        test_alerts = response.json()
        return iter([alert for alert in test_alerts if alert['name'] == parameters['name']])

    @classmethod
    def to_generic_alert(clazz, alert):
        return GenericAlert(
            timestamp=alert['timestamp'],
            url=broker_url,
            id=alert['id'],
            name=alert['name'],
            ra=alert['ra'],
            dec=alert['dec'],
            mag=alert['mag'],
            score=alert['score']
        )
"""

ALERT_CLASSES = """
TOM_ALERT_CLASSES = [
    'heliostat.alerts.brokers.catalogue.CatalogueBroker',
    'mytom.my_broker.MyBroker',
]
"""


@pytest.fixture
def gist() -> Iterator[Receiver]:
    """In place of the document's Gist: a server that answers each request with the sample."""
    answer = Answer(headers={"Content-Type": "application/json"}, body=json.dumps(SAMPLE).encode())
    with Receiver(answers=lambda _: answer) as server:
        yield server


def write_the_steps(mytom: Path, gist: Receiver) -> None:
    """From "Creating a Broker Module" to "Using Our New Alert Broker"."""
    (mytom / "mytom/my_broker.py").write_text(MY_BROKER.replace("BROKER_URL", gist.url + "sample.json"), "utf-8")
    settings = mytom / "mytom/settings.py"
    settings.write_text(settings.read_text("utf-8") + ALERT_CLASSES, "utf-8")


def query_for(browser: Browser, broker: str, name: str) -> str:
    """ "Making a Query": create it, and run it from the list. Gives its address."""
    assert broker in browser.open("/alerts/query/list/")
    browser.open(f"/alerts/query/create/?broker={broker}")
    browser.fill("target_name", target_name=name, query_name=f"Where is {name}?")
    page = browser.open("/alerts/query/list/")
    assert f"Where is {name}?" in page
    match = re.search(r'action="(/alerts/query/\d+/run/)">(?:(?!</form>).)*<button[^>]*>Run<', page)
    assert match, page
    return match[1]


def view_the_first_alert(browser: Browser, results: str) -> str:
    """Click the "view" link."""
    match = re.search(r'href="([^"]+)"[^>]*>View<', results)
    assert match, results
    return browser.open(match[1])


def create_target_of_the_first_alert(browser: Browser) -> None:
    """Click the "create target" button."""
    assert re.search(r'<button[^>]* name="only" value="0">Create target</button>', browser.text)
    browser.fill("only", only="0")


def test_the_broker_of_the_document_finds_tatooine_and_makes_a_target_of_it(mytom: Path, gist: Receiver) -> None:
    write_the_steps(mytom, gist)
    assert manage("makemigrations", "--check", cwd=mytom).returncode == 0  # there are none to make
    assert manage("migrate", cwd=mytom).returncode == 0
    port = free_port()
    arguments = (sys.executable, "manage.py", "runserver", "--noreload", str(port))
    with running(*arguments, cwd=mytom, log=mytom.parent / "server.log") as server:
        server.wait_for("Quit the server")
        browser = Browser(f"http://127.0.0.1:{port}")
        browser.log_in(USERNAME, PASSWORD)
        address = query_for(browser, "MyBroker", "Tatooine")
        result = browser.press(address)
        assert "Tatooine" in result
        assert "13.7" in result
        assert "Hoth" not in result
        assert [delivery.method for delivery in gist.deliveries] == ["GET"]
        assert "2018-09-12T19:33:12.000Z" in view_the_first_alert(browser, result)
        browser.open(address)
        create_target_of_the_first_alert(browser)
        targets = browser.open("/targets/")
        assert "Tatooine" in targets
        assert "Hoth" not in targets
    assert "Traceback" not in server.output


def test_the_broker_that_heliostat_new_wrote_works_at_once(mytom: Path) -> None:
    with running("serve", "--port", "0", cwd=mytom, log=mytom.parent / "server.log") as server:
        site = server.wait_for(r"(http://127\.0\.0\.1:\d+)/ ")[1]
        browser = Browser(site)
        browser.log_in(USERNAME, PASSWORD)
        assert "Tatooine" in browser.press(query_for(browser, "MyBroker", "Tatooine"))
        create_target_of_the_first_alert(browser)
        assert "Tatooine" in browser.open("/targets/")
        assert server.stop() == 0
    assert "Traceback" not in server.output
