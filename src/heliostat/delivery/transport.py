"""How callbacks leave: transports, found by the kind of subscriber, and what they take and give back."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from heliostat.outbox.dialect import Claimed
from heliostat.outbox.transitions import Result


class Job(NamedTuple):
    """A claimed callback with what is to be told."""

    claimed: Claimed
    message_id: str
    body: str
    event_body: str
    context: str
    using: str


Deliver = Callable[[Result], None]


class Transport(Protocol):
    """Tells callbacks, up to `slots` at once. `send` returns at once; results go to `deliver`, from any thread."""

    slots: int

    def start(self, deliver: Deliver) -> None: ...

    def send(self, jobs: list[Job]) -> None: ...

    def check(self) -> None:
        """Raises where it cannot work any more."""
        ...

    def stop(self) -> None:
        """Finish what is in flight, then end."""
        ...


_factories: dict[str, Callable[[], Transport]] = {}


def register_transport(kind: str, factory: Callable[[], Transport]) -> None:
    """Subscribers whose names begin with `kind:` are told by this transport."""
    _factories[kind] = factory


def transport_kinds() -> dict[str, Callable[[], Transport]]:
    return dict(_factories)


def kind_of(subscriber: str) -> str:
    return subscriber.partition(":")[0]
