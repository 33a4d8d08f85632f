"""What can go wrong, by name. Every error of Heliostat is a `HeliostatError`."""

from __future__ import annotations


class HeliostatError(Exception):
    """Base of all errors that Heliostat raises."""


class ConfigurationError(HeliostatError):
    """A setting or a declaration cannot work; the message says which, why, and what to do."""


class UnknownHookPoint(ConfigurationError):
    """A hook point was named that nobody declared."""


class Refused(HeliostatError):
    """An `in_transaction` subscriber raised, and so undid the change. The cause is chained.

    `undone_in` is the database where the change was undone on its own, so that the caller's transaction can go on.
    """

    undone_in: str | None = None

    def __init__(self, subscriber: str, event_type: str, reason: BaseException) -> None:
        self.subscriber = subscriber
        self.event_type = event_type
        self.reason = reason
        super().__init__(f"{subscriber} refused {event_type}: {_sentence(reason)}")


class EventDepthError(HeliostatError):
    """Subscribers that change objects set each other off more often than HELIOSTAT_MAX_DEPTH allows."""


class SnapshotError(HeliostatError):
    """An object or payload cannot be written as JSON; the message names the place."""


def _sentence(reason: BaseException) -> str:
    messages = getattr(reason, "messages", None)  # Django's ValidationError holds several
    return " ".join(map(str, messages)) if messages else str(reason) or type(reason).__name__
