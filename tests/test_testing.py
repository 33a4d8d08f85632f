"""What `heliostat.testing` gives to the tests of a project says when it can never see anything."""

from __future__ import annotations

import pytest

from heliostat.events.event import Event
from heliostat.exceptions import ConfigurationError
from heliostat.testing import captured_events, run_after_commit, subscribed
from tests.example.models import Depot, Tag, Vehicle

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("example.vehicle.creatd", "Did you mean example.vehicle.created"),
        ("example.vehicel.created", "Did you mean example.vehicle.created"),
        ("exmaple.*", "No event type matches"),
        ("authtoken.token.created", "HELIOSTAT_SILENT"),
    ],
)
def test_a_type_that_is_never_published_is_refused(pattern: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words), captured_events("example.tag.*", pattern):
        pass
    with pytest.raises(ConfigurationError, match=words), subscribed(print, pattern):
        pass


def test_a_phase_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="in_transaction"), subscribed(print, "*", when="after_comit"):
        pass


def test_a_function_may_be_subscribed_in_blocks_inside_each_other() -> None:
    seen: list[Event] = []
    note = seen.append
    with subscribed(note, "example.vehicle.created"):
        with subscribed(note, "example.depot.created"), run_after_commit():
            Vehicle.objects.create(name="55")
            Depot.objects.create(name="North")
            Tag.objects.create(word="red")
        with run_after_commit():
            Vehicle.objects.create(name="56")
            Depot.objects.create(name="South")
    assert [event.type.rpartition(".")[0] for event in seen] == ["example.vehicle", "example.depot", "example.vehicle"]
