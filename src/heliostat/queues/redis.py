"""A Redis or Valkey stream, or a list. Use it as `heliostat.queues.redis`.

Options: `url` (`redis://`, `rediss://` or `unix://`), `stream` or `list` (a name), and `maxlen`: about so many entries
are kept, the newest; 0 keeps all. With bodies of 1 KiB, 100,000 entries take 120 MB of the server's memory.

An entry of a stream has one field, `event`. A list is for the simplest consumers (`BRPOP`): what a consumer takes out
and does not finish is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlunsplit

from heliostat.conf import conf
from heliostat.exceptions import ConfigurationError
from heliostat.queues.base import (
    Address,
    Confirmation,
    Publisher,
    Queue,
    Unconfirmed,
    down,
    package,
    text_of,
    too_large,
)
from heliostat.queues.loading import loader
from heliostat.queues.messages import Message
from heliostat.queues.options import Options

with package("redis"):
    import redis
    from redis.exceptions import RedisError, ResponseError

FIELD = "event"
AT_ONCE = 100  # messages that are written before the answers are read: if the connection is lost, so many are unknown
MAXLEN = 100_000  # entries
LARGEST = 512 * 1024 * 1024  # bytes of a value, where the server does not say
LARGEST_SETTING = "proto-max-bulk-len"


class RedisQueue(Queue):
    """A stream or a list."""

    def __init__(self, options: Options) -> None:
        parts = options.url(("redis", "rediss", "unix"))
        self.url = urlunsplit(parts)
        if ("stream" in options) == ("list" in options):
            raise ConfigurationError("give either `stream` or `list`.")
        self.is_list = "list" in options
        self.name = options.text("list" if self.is_list else "stream")
        self.maxlen = options.whole_number("maxlen", MAXLEN)
        self._place = f"{parts.hostname or ''}:{parts.port or 6379}" if parts.scheme != "unix" else parts.path
        try:
            self.client()
        except (ValueError, TypeError) as error:  # an option in the query of the address
            raise ConfigurationError(f"`url` cannot be used: {text_of(error)}") from None

    def __str__(self) -> str:
        return f"the Redis {'list' if self.is_list else 'stream'} {self.name!r} at {self._place}"

    def client(self) -> redis.Redis:
        """Return a client, which has not connected yet."""
        options: dict[str, Any] = {
            "socket_connect_timeout": conf.connect_timeout,
            "socket_timeout": conf.request_timeout,
            "health_check_interval": 0,
        }
        if self.url.startswith("unix:"):
            del options["socket_connect_timeout"]
        return redis.Redis.from_url(self.url, **options)

    def address(self) -> Address:
        return Address("redis", self._place, self.name)

    def publisher(self) -> Publisher:
        return RedisPublisher(self)


class RedisPublisher(Publisher):
    """Writes many messages at once, then reads the answers: what was answered before a failure is confirmed.

    Uses the same commands on each server since Redis 5, and the answers of either protocol (RESP2, RESP3).
    """

    def __init__(self, queue: RedisQueue) -> None:
        self._queue = queue
        self._connection: Any = None
        self._largest = LARGEST
        bound = ("MAXLEN", "~", queue.maxlen) if queue.maxlen else ()
        self._command = ("LPUSH", queue.name) if queue.is_list else ("XADD", queue.name, *bound, "*", FIELD)

    def publish(self, messages: Sequence[Message]) -> Sequence[Confirmation]:
        try:
            self._connect()
        except (RedisError, OSError) as error:
            self.close()
            return down(error, len(messages))
        fitting = [one for one in messages if len(one.body) <= self._largest]
        written = self._write(fitting)
        if len(fitting) == len(messages):
            return written
        answers = iter(written)
        return [
            next(answers) if len(one.body) <= self._largest else too_large(one, self._largest, LARGEST_SETTING)
            for one in messages
        ]

    def _write(self, messages: Sequence[Message]) -> list[Confirmation]:
        answers: list[Confirmation] = []
        connection = self._connection
        try:
            for start in range(0, len(messages), AT_ONCE):
                batch = messages[start : start + AT_ONCE]
                commands: list[tuple[Any, ...]] = [(*self._command, one.body) for one in batch]
                if self._queue.is_list and self._queue.maxlen:
                    commands.insert(0, ("LTRIM", self._queue.name, 0, self._queue.maxlen - 1))
                connection.send_packed_command(connection.pack_commands(commands), check_health=False)
                if len(commands) > len(batch):
                    _answer(connection)
                for _ in batch:
                    answers.append(_answer(connection))
        except (RedisError, OSError) as error:
            self.close()
            answers += down(error, len(messages) - len(answers))
        if any(answers):
            self.close()  # one that is a replica now answers READONLY for good; the address may lead to another
        return answers

    def close(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _connect(self) -> None:
        """Connect, where the server closed the connection or there is none; ask for the largest value that it takes."""
        if self._connection is not None and self._connection.can_read(0):  # nothing is due: it is the end
            self.close()
        if self._connection is None:
            self._connection = self._queue.client().connection_pool.get_connection()
            self._connection.send_command("CONFIG", "GET", LARGEST_SETTING)
            try:
                answer = self._connection.read_response()
            except ResponseError:  # the user may not ask
                answer = {}
            values = answer.values() if isinstance(answer, dict) else answer[1::2]
            self._largest = min([LARGEST, *map(int, values)])


def _answer(connection: Any) -> Confirmation:
    """Read the answer to one command: an error is of this command, and the answers to the next ones follow."""
    try:
        connection.read_response()
    except ResponseError as error:
        return Unconfirmed(text_of(error), is_down=True)
    return None


load_from_config = loader(RedisQueue)
