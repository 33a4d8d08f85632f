"""A line to receivers: one libcurl handle, used again and again."""

from __future__ import annotations

from typing import Any

import pycurl

from heliostat.conf import conf
from heliostat.delivery.request import Exchange
from heliostat.outbox.transitions import Result


class Line:
    """A handle, and the exchange that it carries.

    Whom libcurl calls back is set once, and an address only where it differs from the last: all of it for each request
    would cost a twelfth of the whole request.
    """

    __slots__ = ("_method", "_url", "curl", "exchange")

    def __init__(self) -> None:
        self.curl = _new_handle()
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open)
        self.curl.setopt(pycurl.RESOLVER_START_FUNCTION, self._look_up)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._hear)
        self._url = self._method = ""

    def carry(self, exchange: Exchange) -> Result | None:
        """Set up a request; returns a result at once where none can be sent."""
        self.exchange = exchange
        return exchange.prepare(self)

    def call(self, url: str, method: str) -> None:
        if url != self._url:
            self._url = ""  # should it be refused, neither is known
            self.curl.setopt(pycurl.URL, url)
            self._url = url
        if method != self._method:
            self.curl.setopt(pycurl.CUSTOMREQUEST, method)
            self._method = method

    def _open(self, purpose: int, address: Any) -> Any:
        return self.exchange.open_guarded(purpose, address)

    def _look_up(self, *_: Any) -> int:
        return self.exchange.look_up()

    def _hear(self, chunk: bytes) -> int | None:
        return self.exchange.hear(chunk)


def _new_handle() -> Any:
    handle = pycurl.Curl()
    options: dict[int, Any] = {
        pycurl.NOSIGNAL: 1,
        pycurl.FOLLOWLOCATION: 0,
        pycurl.PROTOCOLS: pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS,
        pycurl.PROXY: "",  # none, whatever the environment says: a proxy would dial past the guard
        pycurl.NETRC: 0,
        pycurl.USERAGENT: "Heliostat",
        pycurl.TCP_NODELAY: 1,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_2TLS,
        pycurl.CONNECTTIMEOUT_MS: int(conf.connect_timeout * 1000),
        pycurl.TIMEOUT_MS: int(conf.request_timeout * 1000),
    }
    if conf.ca_file:
        options[pycurl.CAINFO] = conf.ca_file
    for option, value in options.items():
        handle.setopt(option, value)
    return handle
