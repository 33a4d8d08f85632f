"""The main job by the public API: from an alert to a target to an observation that completes.

And the check that every subscriber was notified.
"""

from __future__ import annotations

import email
import email.policy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from heliostat.cli.demo.project import OBSERVATION, QUERY, TARGET, Demo
from heliostat.cli.say import GREEN, RED, CommandFailed, say, step

if TYPE_CHECKING:
    from heliostat.events.event import Event
    from heliostat.testing.receiver import Receiver

QUERY_NAME = "Bright supernovae"
PARAMETERS = {"type": "SN Ia", "brighter_than": 12.0}
ALERTS = 3
PATIENCE = 20.0  # seconds for each thing that is waited for


def query(user: Any) -> Any:
    """Store a query on the bundled catalogue."""
    from heliostat.alerts.models import BrokerQuery

    stored, _ = BrokerQuery.objects.get_or_create(
        user=user, name=QUERY_NAME, defaults={"broker": "Catalogue", "parameters": PARAMETERS}
    )
    step(f"stored the query {stored}")
    return stored


def targets(stored: Any, user: Any) -> list[Any]:
    """Run the query, and make targets of the first alerts."""
    from heliostat.alerts.ingest import ingest
    from heliostat.alerts.runs import rows_of, run

    result = run(stored, user)
    alerts = [row.alert for row in rows_of(result) if row.alert]
    if result.problem or len(alerts) < ALERTS:
        raise CommandFailed(f"the broker {stored.broker} gave {len(alerts)} alerts. {result.problem}")
    step(f"asked the broker {stored.broker}: {len(alerts)} alerts")
    made = [ingest(alert, stored.broker, owner=user).target for alert in alerts[:ALERTS]]
    for target in made:
        step(f"target {target}  (ra {target.ra:.4f}, dec {target.dec:+.4f})")
    return made


def observation(target: Any, user: Any, seconds: float) -> Any:
    """Submit an observation to the simulated facility."""
    from heliostat.observations.facility import get_facility
    from heliostat.observations.models import ObservationRecord

    parameters = {"exposure_time": seconds, "exposure_count": 1, "filter": "r"}
    record = ObservationRecord.objects.create(
        target=target,
        user=user,
        facility="Simulated",
        parameters=parameters,
        observation_id=get_facility("Simulated").submit(target, parameters),
    )
    step(f"submitted the observation {record}: {record.status}")
    return record


def complete(record: Any) -> None:
    """Ask the facility, as `heliostat updatestatus` does, until the observation is completed."""
    from django.core.management import call_command

    def is_completed() -> bool:
        call_command("updatestatus", verbosity=0)
        record.refresh_from_db()
        return bool(record.status == "COMPLETED")

    if not _within_patience(is_completed, 0.3):
        raise CommandFailed(f"the observation {record} did not complete; it is {record.status}")
    step(f"updatestatus: the observation {record} is {record.status}")


@dataclass(frozen=True)
class Expected:
    """One event of which each of the three subscribers must be notified, and the line of the code hook."""

    event: Event
    line: str

    @property
    def name(self) -> str:
        return self.line.removeprefix(f"{self.event.type} ")


def expected(events: list[Event]) -> list[Expected]:
    """What all subscribers must receive, by what really happened."""
    found = [
        Expected(event, f"{event.type} {event.snapshot['name']}") for event in events if event.type in (QUERY, TARGET)
    ]
    for event in events:
        before, after = event.changes.get("status", ("", ""))
        if event.type == OBSERVATION and after == "COMPLETED":
            found.append(Expected(event, f"{event.type} {event.instance}: {before} -> {after}"))
    return found


class Witness:
    """Looks at what the three subscribers left behind."""

    def __init__(self, demo: Demo, receiver: Receiver) -> None:
        self.demo = demo
        self.receiver = receiver

    def look(self, one: Expected) -> Iterator[tuple[str, str, bool]]:
        """Of each subscriber: what it is, what it was sent, and whether it arrived."""
        lines = self.demo.lines.read_text("utf-8").splitlines() if self.demo.lines.exists() else []
        yield "code hook", "called", one.line in lines
        yield "e-mail", "written", any(str(one.event.id) in text for text in self._mail())
        found = [each for each in self.receiver.deliveries if each.json.get("id") == str(one.event.id)]
        yield "webhook", "received, signature verified", any(one.verified for one in found)

    def _mail(self) -> Iterator[str]:
        for path in self.demo.mail.glob("*"):
            message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            body = message.get_body()
            yield body.get_content() if body else ""

    def report(self, expected: list[Expected]) -> bool:
        """Wait until all of it has happened, then report what each subscriber got. True if nothing is missing."""
        _within_patience(lambda: all(done for one in expected for _, _, done in self.look(one)), 0.1)
        missing = []
        say()
        for one in expected:
            say(f"{one.event.type}  {one.name}")
            for who, what, done in self.look(one):
                say(f"    {who:<10} {what if done else 'MISSING'}", GREEN if done else RED)
                if not done:
                    missing.append(f"{who} of {one.line}")
        say()
        if missing:
            say(f"Missing: {'; '.join(missing)}", RED)
        return not missing


def _within_patience(condition: Callable[[], bool], pause: float) -> bool:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
