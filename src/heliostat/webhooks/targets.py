"""Addresses of receivers: what can be told before anything is dialled. The guard at the dial has the last word."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from heliostat.delivery.guard import why_forbidden
from heliostat.webhooks.exceptions import InvalidTargetError

MAX_HOST = 253
METHODS = ("POST", "PUT", "PATCH")


def check_target(url: str) -> None:
    """Raises `InvalidTargetError` where a hook must not have this address."""
    parts = _split(url)
    if parts.scheme not in ("http", "https"):
        raise InvalidTargetError("The address must begin with http:// or https://.")
    if parts.username is not None or parts.password is not None:
        raise InvalidTargetError("The address must not hold a user name or password; use a header for that.")
    host = parts.hostname
    if not host or len(host) > MAX_HOST:
        raise InvalidTargetError("The address needs the name of a host, of at most 253 characters.")
    if any(character <= " " for character in url):
        raise InvalidTargetError("The address holds a space or a control character.")
    if (literal := _literal_address(host)) and (why := why_forbidden(literal)):
        raise InvalidTargetError(
            f"{host} must not be called ({why}). The setting HELIOSTAT_ALLOW_NETWORKS can allow a network of your own."
        )


def check_method(method: str) -> None:
    """Raises `InvalidTargetError` for a method that hooks do not have."""
    if method not in METHODS:
        raise InvalidTargetError(f"The method is {' or '.join(METHODS)}, not “{method}”.")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise InvalidTargetError(f"This is no address: {error}.") from error
    return parts


def _literal_address(host: str) -> str | None:
    """The address that a host is when it needs no DNS, in whatever spelling (`2130706433`, `0x7f.1`, `127.1`)."""
    if host == "localhost" or host.endswith(".localhost"):
        return "127.0.0.1"
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None
