"""What a kind of queue has: a `Queue` from its options, and a `Publisher` with a connection. One file each.

class PigeonQueue(Queue):
    extra, package = "pigeon", "pigeon"
    def __init__(self, options): ...
    def publisher(self): ...

load_from_config = loader(PigeonQueue)
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, NamedTuple

from heliostat.exceptions import ConfigurationError
from heliostat.outbox.transitions import GIVE_UP, RETRY
from heliostat.queues.messages import Message
from heliostat.queues.options import Options

CREDENTIALS = re.compile(r"(?<=://)\S*@")  # a password may hold a slash that should be %2F


class Unconfirmed(NamedTuple):
    """Why the server did not confirm a message, and what follows: RETRY, or GIVE_UP where it never will.

    `is_down` says that the server is in trouble, whatever it is sent: the circuit breaker counts it.
    """

    reason: str
    outcome: str = RETRY
    is_down: bool = False


Confirmation = Unconfirmed | None
"""None: the server has the message."""


class Publisher(ABC):
    """A connection to a server, used by one thread. It is opened when it is first needed, and again when it is lost."""

    @abstractmethod
    def publish(self, messages: Sequence[Message]) -> Sequence[Confirmation]:
        """Publish a batch in this order, and return for each message whether the server confirmed it.

        May take HELIOSTAT_REQUEST_TIMEOUT seconds. Where it raises, no message counts as confirmed, and the publisher
        is closed.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the connection."""


class Address(NamedTuple):
    """Where a queue is: `host` with its port, and the `name` of the stream, exchange, subject or topic."""

    protocol: str
    host: str
    name: str


class Queue(ABC):
    """A queue as it is configured, without a connection. Its text names it, and holds no credentials."""

    subscriber_kind: ClassVar[str] = "queue"

    @abstractmethod
    def __init__(self, options: Options) -> None:
        """Read the options. Raise `ConfigurationError` where one is missing or not valid."""

    @abstractmethod
    def address(self) -> Address:
        """Return where it is, without credentials."""

    @abstractmethod
    def publisher(self) -> Publisher:
        """Return a new publisher, which has not connected yet."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"


def down(error: BaseException | str, count: int) -> list[Confirmation]:
    """Return that none of `count` messages was confirmed, because the server is in trouble."""
    return [Unconfirmed(text_of(error), is_down=True)] * count


def too_large(message: Message, most: int, setting: str) -> Unconfirmed:
    """Return that a message is given up: it has more bytes than `most`, which `setting` of the server allows."""
    return Unconfirmed(f"the message has {len(message.body):,} bytes; {setting} allows {most:,}", GIVE_UP)


def text_of(error: BaseException | str) -> str:
    """Return an error in one line, without the user name and password of any address in it."""
    text = " ".join(str(error).split()) or type(error).__name__
    return without_credentials(text)


def without_credentials(text: str) -> str:
    """Return a text without the user name and password of any address in it."""
    return CREDENTIALS.sub("", text)


@contextmanager
def package(extra: str) -> Iterator[None]:
    """Raise `ConfigurationError` that names the command where what is imported inside is not installed."""
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(
            f"a package is not installed ({error}). Install it: pip install 'heliostat[{extra}]'"
        ) from error
