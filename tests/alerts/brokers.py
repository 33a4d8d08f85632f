"""Broker modules for the tests: the tutorial's own, word for word but for the import root; and bad ones."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import requests
from django import forms

from heliostat.alerts.alerts import GenericAlert, GenericBroker, GenericQueryForm
from heliostat.targets.models import Target

broker_url = ""  # set by the tests


class MyBrokerForm(GenericQueryForm):
    target_name = forms.CharField(required=True)


class MyBroker(GenericBroker):
    name = "MyBroker"
    form = MyBrokerForm

    @classmethod
    def fetch_alerts(clazz, parameters):  # type: ignore[no-untyped-def, override]
        response = requests.get(broker_url)
        response.raise_for_status()
        test_alerts = response.json()
        return iter([alert for alert in test_alerts if alert["name"] == parameters["name"]])

    @classmethod
    def to_generic_alert(clazz, alert):  # type: ignore[no-untyped-def, override]
        return GenericAlert(
            timestamp=alert["timestamp"],
            url=broker_url,
            id=alert["id"],
            name=alert["name"],
            ra=alert["ra"],
            dec=alert["dec"],
            mag=alert["mag"],
            score=alert["score"],
        )


class Rows(GenericBroker):
    """Gives what `rows` says: alerts, or exceptions to raise."""

    name = "Rows"
    rows: list[Any] = []

    def fetch_alerts(self, parameters: Any) -> Any:
        for row in self.rows:
            if isinstance(row, BaseException):
                raise row
            yield row

    def to_generic_alert(self, alert: Any) -> GenericAlert:
        return GenericAlert(**{"timestamp": "2020-01-01", "id": 1, **alert})


class Other(Rows):
    """The same ids, other objects."""

    name = "Other"
    rows = [{"name": "of the other broker", "ra": 1, "dec": 1}]


class Endless(Rows):
    name = "Endless"

    def fetch_alerts(self, parameters: Any) -> Any:
        return ({"name": f"star {number}", "raw": number} for number in itertools.count())

    def to_generic_alert(self, alert: Any) -> GenericAlert:
        return GenericAlert(timestamp=datetime.date(2020, 1, 1), id=alert["raw"], name=alert["name"])


class Nothing(Rows):
    name = "Nothing"

    def fetch_alerts(self, parameters: Any) -> Any:
        return None


class Direct(Rows):
    """Asks the path that the query names, without a time-out, as many a broker module does."""

    name = "Direct"
    form = MyBrokerForm

    def fetch_alerts(self, parameters: Any) -> Any:
        response = requests.get(f"{broker_url}/{parameters['target_name']}?token=secret")
        response.raise_for_status()
        return response.json()


class Own(Rows):
    """Makes its targets itself."""

    name = "Own"
    rows = [{"name": "as sent"}]

    def to_target(self, alert: GenericAlert) -> Target:
        return Target(name=f"Own {alert.raw['name']}", type=Target.Type.SIDEREAL)


class Wrong(Rows):
    name = "Wrong"
    rows = [{"name": "x"}]

    def to_target(self, alert: GenericAlert) -> Target:
        raise LookupError("<i>no</i>")
