"""The errors of Heliostat. All are subclasses of `HeliostatError`."""

from __future__ import annotations

from heliostat.text import error_text


class HeliostatError(Exception):
    """Base class of the errors of Heliostat."""


class ConfigurationError(HeliostatError):
    """A setting or declaration is not valid; the message says which one, why, and what to do."""


class UnknownHookPoint(ConfigurationError):
    """The hook point is not declared."""


class Refused(HeliostatError):
    """An `in_transaction` subscriber raised an exception (the cause), so the change was rolled back.

    `undone_in` is the database where only the change was rolled back, so that the caller's transaction can go on.
    """

    undone_in: str | None = None

    def __init__(self, subscriber: str, event_type: str, reason: BaseException) -> None:
        self.subscriber = subscriber
        self.event_type = event_type
        self.reason = reason
        super().__init__(f"{subscriber} refused {event_type}: {_sentence(reason)}")


class EventDepthError(HeliostatError):
    """Changes of subscribers triggered each other more than HELIOSTAT_MAX_DEPTH levels deep."""


class SnapshotError(HeliostatError):
    """An object or payload cannot be converted to JSON; the message names the place."""


def _sentence(reason: BaseException) -> str:
    messages = getattr(reason, "messages", None)  # Django's ValidationError holds several
    return " ".join(map(str, messages)) if messages else error_text(reason) or type(reason).__name__
