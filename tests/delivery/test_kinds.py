"""Each kind of subscribers is one object, which says at start what is missing."""

from __future__ import annotations

import pytest

from heliostat.delivery import kinds
from heliostat.delivery.kinds import SubscriberKind
from heliostat.delivery.python import PythonTransport
from heliostat.exceptions import ConfigurationError


def test_the_kinds_of_the_installed_apps_are_registered() -> None:
    assert {kind.name for kind in kinds.registered()} == {"code", "listener", "queue", "hook", "notice"}
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
