"""Each kind of subscribers is one object, which says at start what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from heliostat.delivery import kinds
from heliostat.delivery.kinds import SubscriberKind
from heliostat.delivery.python import PythonKind, PythonTransport
from heliostat.delivery.worker import Worker
from heliostat.events.event import Phase
from heliostat.events.matching import registry
from heliostat.events.subscriptions import Subscription
from heliostat.exceptions import ConfigurationError
from heliostat.outbox.kinds import _kinds
from tests.example.models import Depot


def test_the_kinds_of_the_installed_apps_are_registered() -> None:
    assert {kind.name for kind in kinds.registered()} == {
        "chat",
        "code",
        "digest",
        "hook",
        "listener",
        "notice",
        "queue",
    }
    assert kinds.kind_of("hook:7") is not None
    assert kinds.kind_of("pigeon:7") is None


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"name": "pigeon"}, "Pigeons has no transport"),
        ({"transport": PythonTransport}, "Pigeons has no name"),
        ({"name": "pigeon:", "transport": PythonTransport}, "without a colon"),
    ],
)
def test_a_kind_that_lacks_something_is_refused_at_start(attributes: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        kinds.register(type("Pigeons", (SubscriberKind,), attributes)())


class Pigeons(PythonKind):
    name = "pigeon"

    def function(self, subscriber: str) -> Callable[..., Any]:
        return print


class Doves(Pigeons):
    name = "dove"


@pytest.mark.django_db(transaction=True)
def test_kinds_that_share_a_transport_share_its_slots(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.HELIOSTAT_CODE_THREADS = 3
    for kind in (Pigeons(), Doves()):
        monkeypatch.setitem(_kinds, kind.name, kind)
    subscriptions = [
        Subscription(name=f"{kind}:home", pattern="example.depot.created", phase=Phase.DURABLE)
        for kind in ("pigeon", "dove")
    ]
    registry.add("birds", lambda: subscriptions)
    try:
        for number in range(5):
            Depot.objects.create(name=str(number))
        worker = Worker()
        try:
            assert sorted(worker._free_slots().items()) == [("dove:home", 2), ("pigeon:home", 1)]
        finally:
            worker._waker.close()
            for transport in worker._transports.values():
                transport.stop()
    finally:
        registry.remove("birds")


@pytest.mark.parametrize("kind", kinds.registered(), ids=lambda kind: kind.name)
def test_each_kind_has_a_transport_that_a_worker_can_make_and_stop(kind: SubscriberKind) -> None:
    transport = kind.transport(lambda result: None)
    transport.check()
    assert transport.slots > 0
    transport.stop()
