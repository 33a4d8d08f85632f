"""What one client may take from `heliostat serve`: bytes of a request, connections, and time to send it."""

from __future__ import annotations

import time
from typing import Any
from weakref import WeakKeyDictionary

MIB = 1024 * 1024
LARGEST_BODY = 16 * MIB  # bytes, where nothing is uploaded
LARGEST_HEADERS = 64 * 1024  # bytes
CONNECTIONS = 500
IDLE = 60  # seconds without a byte in either direction
GRACE = 20.0  # seconds to send a request, and one more for each SLOWEST bytes of it
SLOWEST = 500  # bytes a second, as Apache's mod_reqtimeout has it


def largest_body() -> int:
    """Return how many bytes a request may have: the largest data product, with what a form sends around it."""
    from django.apps import apps

    if not apps.is_installed("heliostat.dataproducts"):
        return LARGEST_BODY
    from heliostat.dataproducts.conf import data_settings

    return max(data_settings.max_bytes + MIB, LARGEST_BODY)


def options_of_waitress(max_body: int | None) -> dict[str, Any]:
    """Return the limits that waitress keeps by itself. `max_body` is in bytes; None is `largest_body()`."""
    return {
        "max_request_body_size": largest_body() if max_body is None else max_body,
        "max_request_header_size": LARGEST_HEADERS,
        "connection_limit": CONNECTIONS,
        "channel_timeout": IDLE,
        "cleanup_interval": 10,
        "asyncore_use_poll": True,
    }


def behind(proxy: str) -> dict[str, Any]:
    """Return the options by which waitress believes the TLS server in front; others' headers are removed."""
    headers = {"x-forwarded-proto", "x-forwarded-host", "x-forwarded-for"}
    return {"trusted_proxy": proxy, "trusted_proxy_count": 1, "trusted_proxy_headers": headers}


class SlowClients:
    """Closes connections whose request comes too slowly: waitress's own limit begins again with each byte."""

    def __init__(self) -> None:
        self._began: WeakKeyDictionary[Any, float] = WeakKeyDictionary()

    def close(self, channels: list[Any]) -> None:
        """Look at all connections of a server, in its own thread; to be called once a second or so."""
        now = time.monotonic()
        for channel in channels:
            request = channel.request  # what has begun to arrive, and has not arrived as a whole
            if request is None:
                continue
            received = request.header_bytes_received + request.body_bytes_received
            if now - self._began.setdefault(request, now) > GRACE + received / SLOWEST:
                channel.will_close = True
