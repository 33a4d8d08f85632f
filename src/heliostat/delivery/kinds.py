"""A kind of subscribers: one object that owns all that the engine must know of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

from heliostat.conf import conf
from heliostat.events.matching import registry
from heliostat.exceptions import ConfigurationError
from heliostat.outbox import kinds
from heliostat.outbox.dialect import Claimed
from heliostat.outbox.kinds import Dispatcher
from heliostat.outbox.limits import Limits
from heliostat.outbox.transitions import Result


class Job(NamedTuple):
    """A claimed callback with what is to be sent."""

    claimed: Claimed
    message_id: str
    body: str
    event_body: str
    context: str
    using: str


Deliver = Callable[[Result], None]


class Transport(Protocol):
    """Sends callbacks, up to `slots` at once. `send` takes jobs of one kind and returns at once; results go to
    `deliver`, from any thread.
    """

    slots: int

    def __init__(self, deliver: Deliver) -> None: ...

    def send(self, jobs: list[Job]) -> None: ...

    def check(self) -> None:
        """Raise an error where it cannot work any more."""
        ...

    def stop(self) -> None:
        """Finish what is in flight, then end."""
        ...


class SubscriberKind:
    """A kind of durable subscribers, whose names begin with `name:`.

    Subclass it, and `register()` an object in the `ready()` of your `AppConfig`. Kinds with the same transport class
    share one transport in each worker.
    """

    name: ClassVar[str]
    transport: ClassVar[type[Transport]]
    concurrency: ClassVar[int | None] = None
    """Callbacks that a worker has in flight at once to one subscriber; None: HELIOSTAT_CONCURRENCY_PER_SUBSCRIBER."""

    def transports(self, subscribers: Collection[str]) -> Mapping[str, type[Transport]]:
        """Return the transport of each of these subscribers, where they do not all have the same. May ask the database.

        The slots of `transport` are those of all of them.
        """
        return dict.fromkeys(subscribers, self.transport)

    def refused(self, jobs: Sequence[Job]) -> Sequence[Result]:  # noqa: ARG002
        """Return the results of those of these jobs that may not be sent, whatever their transport. May ask the
        database."""
        return ()

    def dispatcher(self) -> Dispatcher | None:
        """Return what sends callbacks right after their commit; None leaves them to a worker."""
        return None

    def admin_url(self, subscriber: str) -> str:  # noqa: ARG002
        """Return the address of its page in the admin, empty where it has none. May raise `NoReverseMatch`."""
        return ""

    def version(self) -> int:
        """Return another number whenever limits may have changed. Called twice a second: it must be quick."""
        return 0

    def limits(self) -> Mapping[str, Limits]:
        """Return the limits of those of its subscribers that have any."""
        return {}

    def failing(self, subscriber: str) -> None:
        """Called when the last attempts of a subscriber failed."""

    def recovered(self, subscriber: str) -> None:
        """Called when a subscriber that failed accepts callbacks again."""

    def gone(self, subscriber: str) -> None:
        """Called when a subscriber says that it wants no callbacks any more."""

    def attempted(self, result: Result, using: str) -> None:
        """Called after each attempt is recorded, in the worker's own thread: a slow one delays all subscribers."""


def register(kind: SubscriberKind) -> None:
    """Register a kind, in place of one with the same name. Raise `ConfigurationError` where something is missing."""
    for attribute in ("name", "transport"):
        if not hasattr(kind, attribute):
            raise ConfigurationError(f"{type(kind).__name__} has no {attribute}; every SubscriberKind needs one.")
    if ":" in kind.name:
        raise ConfigurationError(f"{type(kind).__name__}.name is {kind.name!r}; it must be a word without a colon.")
    kinds.register(kind)


def registered() -> list[SubscriberKind]:
    """Return all kinds."""
    return [kind for kind in kinds.registered() if isinstance(kind, SubscriberKind)]


def kind_of(subscriber: str) -> SubscriberKind | None:
    """Return the kind of a subscriber, where it is registered.

    One that is not may be registered when the subscribers are built, which a worker that published nothing has not
    done yet.
    """
    kind = kinds.kind_of(subscriber)
    if kind is None:
        registry.matcher  # noqa: B018  builds them
        kind = kinds.kind_of(subscriber)
    return kind if isinstance(kind, SubscriberKind) else None


def concurrency_of(subscriber: str) -> int:
    """Return how many callbacks a worker may have in flight at once to a subscriber."""
    kind = kind_of(subscriber)
    return (kind and kind.concurrency) or conf.concurrency_per_subscriber
