from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from heliostat.alerts.models import BrokerQuery
from tests.alerts import brokers
from tests.alerts.server import BrokerServer

CLASSES = ("MyBroker", "Rows", "Other", "Endless", "Nothing", "Direct", "Own", "Wrong")


@pytest.fixture(autouse=True)
def classes(settings: Any) -> None:
    bundled = settings.TOM_ALERT_CLASSES
    settings.TOM_ALERT_CLASSES = [*bundled, *(f"tests.alerts.brokers.{name}" for name in CLASSES)]


@pytest.fixture
def ada(django_user_model: type[User]) -> User:
    return django_user_model.objects.create_user("ada")


@pytest.fixture
def visitor(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[BrokerServer]:
    with BrokerServer() as started:
        monkeypatch.setattr(brokers, "broker_url", started.url)
        yield started


@pytest.fixture
def query(ada: User) -> Any:
    def make(broker: str, **parameters: Any) -> BrokerQuery:
        return BrokerQuery.objects.create(name=f"my {broker}", broker=broker, parameters=parameters, user=ada)

    return make
