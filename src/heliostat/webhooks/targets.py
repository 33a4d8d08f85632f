"""Addresses of receivers: what is checked when a hook is saved. The guard checks again at each connection."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError

from heliostat.delivery.guard import why_forbidden
from heliostat.delivery.resolver import literal_address
from heliostat.queues.named import NoSuchQueue, is_queue, named_queue
from heliostat.webhooks.exceptions import InvalidTargetError

MAX_HOST = 253
QUEUE_SCHEMES = frozenset({"redis", "rediss", "valkey", "valkeys", "unix", "amqp", "amqps", "nats", "tls", "kafka"})
METHODS = ("POST", "PUT", "PATCH", "GET", "DELETE")
NAME = re.compile(r"([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?")


def check_target(url: str) -> None:
    """Raise `InvalidTargetError` where a hook must not have this address, or there is no such queue."""
    if is_queue(url):
        try:
            named_queue(url)
        except NoSuchQueue as error:
            raise InvalidTargetError(str(error)) from error
    else:
        _check_address(url)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise InvalidTargetError(f"This is no address: {error}.") from error
    if parts.scheme in QUEUE_SCHEMES:
        raise InvalidTargetError(
            "A hook names a queue as queue:NAME, where NAME is a key of the setting HELIOSTAT_QUEUES. The "
            "address of the server and its password stay there."
        )
    if parts.scheme not in ("http", "https"):
        raise InvalidTargetError("The address must begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise InvalidTargetError("The address must not hold a user name or password; use a header for that.")
    host = parts.hostname
    if not host or len(host) > MAX_HOST:
        raise InvalidTargetError("The address needs the name of a host, of at most 253 characters.")
    if any(character <= " " for character in url):
        raise InvalidTargetError("The address holds a space or a control character.")
    _check_spelling(url, host)
    bare = host.removesuffix(".")
    literal = "127.0.0.1" if bare == "localhost" or bare.endswith(".localhost") else literal_address(bare)
    if literal and (why := why_forbidden(literal)):
        raise InvalidTargetError(
            f"{host} must not be called ({why}). The setting HELIOSTAT_ALLOW_NETWORKS can allow a network of your own."
        )


def _check_spelling(url: str, host: str) -> None:
    """What other programs might read differently from us has no place in an address."""
    if not host.isascii():
        with suppress(UnicodeError):
            raise InvalidTargetError(f"The name of the host must be ASCII: {host.encode('idna').decode()}.")
        raise InvalidTargetError("The name of the host must be ASCII.")
    if not url.isascii() or "\\" in url:
        raise InvalidTargetError("The address holds a character that must be percent-encoded (ü is %C3%BC).")
    if NAME.fullmatch(host):
        return
    try:
        is_address = ip_address(host).version == 6 and "%" not in host  # noqa: PLR2004  a scope id is of one machine
    except ValueError:
        is_address = False
    if not is_address:
        raise InvalidTargetError(f"“{host}” is no name of a host.")


def host_of(url: str) -> str:
    """Return the host of an address, without path and query, which often hold secrets; empty where it is none.

    The name of a queue is no secret.
    """
    if is_queue(url):
        return url
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def check_finite(rate: float) -> None:
    """Raise a `ValidationError` for what is no number of requests a second: NaN, or infinitely many."""
    if not math.isfinite(rate):
        raise ValidationError("Give a number; for no limit, leave it empty.")
