"""A client of Redis or Valkey from a URL whose credentials nobody sees."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from heliostat.exceptions import ConfigurationError

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ImportError as error:
    raise ConfigurationError(f"the client of Redis is missing ({error}): pip install 'heliostat[redis]'") from error

CONNECT_TIMEOUT = 5.0  # seconds
TIMEOUT = 10.0  # seconds for an answer, longer than any command here blocks
EXPECTED = (
    "Expected redis://[user:password@]host:port/database, rediss:// (TLS) or unix:///path; special characters in a "
    "password are written as %XX"
)


def connect(url: str) -> redis.Redis:
    """Return a client of the server at `url`; it connects with its first command.

    It speaks RESP2, whatever the URL asks for: each server answers the commands of streams in one form there. It does
    not repeat a command by itself. Raise `ConfigurationError` where the URL is not valid.
    """
    try:
        parts = urlsplit(url)
        options: dict[str, Any] = redis.connection.parse_url(url)
        port = parts.port
    except ValueError:  # its text may hold the password
        raise ConfigurationError(f"the URL of the queue is not valid. {EXPECTED}.") from None
    if parts.scheme != "unix" and not re.fullmatch(r"/?\d*", parts.path):
        raise ConfigurationError(f"the URL of the queue names no database by number after port {port}. {EXPECTED}.")
    options |= {
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        "health_check_interval": 0,
    }
    if parts.scheme != "unix":
        options |= {"socket_connect_timeout": CONNECT_TIMEOUT, "socket_keepalive": True}
    try:
        client = redis.Redis(connection_pool=redis.ConnectionPool(**options))
        client.connection_pool.make_connection()
    except (TypeError, ValueError) as error:  # an option that there is not
        raise ConfigurationError(f"the URL of the queue has an option that cannot be used: {error}") from None
    for command in ("XREADGROUP", "XRANGE", "XPENDING", "XINFO STREAM", "XINFO GROUPS", "XINFO CONSUMERS"):
        client.set_response_callback(command, _as_it_is)
    return client


def place_of(url: str) -> str:
    """Return where a server is, `host:port/database` or a path, for messages."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}/{parts.path.strip('/') or 0}"


def facts(row: list[Any]) -> dict[str, Any]:
    """Return a flat answer of names and values, as `XINFO` gives it, as a dict. Texts are decoded."""
    values = [one.decode("utf-8", "replace") if isinstance(one, bytes) else one for one in row]
    return dict(zip(values[::2], values[1::2], strict=True))


def _as_it_is(answer: Any, **_: Any) -> Any:
    return answer
