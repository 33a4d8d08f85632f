"""One HTTP request: from a job to what libcurl sends, and from the answer to a result."""

from __future__ import annotations

import socket
import time
from datetime import datetime
from http import HTTPStatus
from typing import Any

import pycurl
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery import signing
from heliostat.delivery.answers import details_of, is_in_trouble, outcome_of
from heliostat.delivery.destinations import Destination, NoDestination
from heliostat.delivery.guard import why_forbidden
from heliostat.delivery.heads import kept
from heliostat.delivery.kinds import Job
from heliostat.delivery.resolver import Resolution, for_libcurl, host_and_port, refusal
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result

BODILESS = "GET"
ANY_TEXT = "text/plain; charset=utf-8"  # of a template without a content type


class HttpRequest:
    """A request, and what has been received of its answer so far."""

    __slots__ = (
        "address", "began", "destination", "excerpt", "forbidden",
        "head", "job", "received", "resolution", "started_at",
    )  # fmt: skip

    def __init__(self, job: Job, destination: Destination | NoDestination) -> None:
        self.job = job
        self.destination = destination
        self.address = host_and_port(destination.url) if isinstance(destination, Destination) else None
        self.resolution: Resolution | None = None
        self.excerpt = b""
        self.head: list[bytes] = []
        self.received = 0
        self.forbidden: str | None = None

    def prepare(self, handle: CurlHandle) -> Result | None:
        """Set up a handle for it. Return a result where no request can be sent."""
        self.started_at: datetime = timezone.now()
        self.began = time.perf_counter()
        if not isinstance(self.destination, Destination):
            return self._result(CANCEL, self.destination.reason)
        if self.resolution and self.resolution.problem:
            return self._result(RETRY, self.resolution.problem)
        try:
            self._set_up(handle, self.destination)
        except (pycurl.error, ValueError, UnicodeError, TypeError) as error:
            return self._result(GIVE_UP, f"no request can be made of this: {error}")
        return None

    def _set_up(self, handle: CurlHandle, destination: Destination) -> None:
        body, curl = body_of(destination, self.job.body), handle.curl
        handle.set_target(destination.url, destination.method)
        if destination.method == BODILESS:
            curl.setopt(pycurl.HTTPGET, 1)  # removes the body of the request before
        else:
            curl.setopt(pycurl.POSTFIELDS, body)
        headers = headers_of(destination, self.job.message_id, int(self.started_at.timestamp()), body)
        curl.setopt(pycurl.HTTPHEADER, headers)
        if conf.response_headers:
            curl.setopt(pycurl.HEADERFUNCTION, self.head.append)
        if self.address and self.resolution and not self.resolution.is_in_libcurl:
            curl.setopt(pycurl.RESOLVE, for_libcurl(self.address, self.resolution))

    def on_body(self, chunk: bytes) -> int | None:
        """Keep the beginning of the answer; 0 ends a transfer that is too long."""
        self.received += len(chunk)
        wanted = conf.response_excerpt - len(self.excerpt)
        if wanted > 0:
            self.excerpt += chunk[:wanted]
        return 0 if self.received > conf.response_limit else None

    def result(self, handle: Any, code: int, message: str) -> Result:
        """Return its result. An answer that was cut off at our own limit still counts by its status."""
        if self.resolution:
            self.resolution.is_in_libcurl = code != pycurl.E_ABORTED_BY_CALLBACK  # it may have forgotten
        cut_off = code == pycurl.E_WRITE_ERROR and self.received > conf.response_limit
        if code and not cut_off:
            return self._result(
                RETRY, refusal(self.forbidden) if self.forbidden else message or f"libcurl error {code}"
            )
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        outcome = outcome_of(status)
        asked = handle.getinfo(pycurl.RETRY_AFTER) if outcome != SENT else 0  # RFC 9110, 10.2.3: seconds or a date
        return self._result(outcome, details_of(status), status, asked)

    def _result(self, outcome: str, details: str, status: int | None = None, retry_after: float = 0) -> Result:
        return Result(
            claimed=self.job.claimed,
            outcome=outcome,
            details=details,
            started_at=self.started_at,
            duration=time.perf_counter() - self.began,
            url=self.destination.url if isinstance(self.destination, Destination) else "",
            status_code=status,
            error="" if status else details,
            response=self.excerpt.decode("utf-8", "replace"),
            response_headers=kept(self.head, conf.response_headers) if self.head else "",
            retry_after=retry_after or None,
            receiver_down=outcome == RETRY and is_in_trouble(status),
            subscriber_gone=status == HTTPStatus.GONE,
        )


class CurlHandle:
    """A libcurl handle, used for one request after the other.

    Its callbacks are set once, and the URL only where it differs from the last: to set all for each request would take
    a twelfth of the whole request.
    """

    __slots__ = ("_method", "_url", "curl", "request")

    def __init__(self) -> None:
        self.curl = _new_handle()
        self.curl.setopt(pycurl.OPENSOCKETFUNCTION, self._open_socket)
        self.curl.setopt(pycurl.RESOLVER_START_FUNCTION, self._start_resolver)
        self.curl.setopt(pycurl.WRITEFUNCTION, self._on_body)
        self._url = self._method = ""

    def begin(self, request: HttpRequest) -> Result | None:
        """Set up a request. Return its result where none can be sent."""
        self.request = request
        return request.prepare(self)

    def set_target(self, url: str, method: str) -> None:
        """Set URL and method. Raise `pycurl.error` or `ValueError` where libcurl refuses them."""
        if url != self._url:
            self._url = ""  # if libcurl refuses it, neither is known
            self.curl.setopt(pycurl.URL, url)
            self._url = url
        if method != self._method:
            self.curl.setopt(pycurl.CUSTOMREQUEST, method)
            self._method = method

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        """Open a connection: the only place where one is opened, and where the concrete address is known."""
        family, kind, protocol, concrete = address
        self.request.forbidden = why_forbidden(concrete[0])
        return pycurl.SOCKET_BAD if self.request.forbidden else socket.socket(family, kind, protocol)

    def _start_resolver(self, *_: Any) -> int:
        """Keep libcurl from looking up names, which it has from us; a literal address it may read."""
        return 1 if self.request.address else 0

    def _on_body(self, chunk: bytes) -> int | None:
        return self.request.on_body(chunk)


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


def body_of(destination: Destination, body: str) -> bytes:
    """The body of a request, as it is sent and signed: what a GET would mean with one is not defined (RFC 9110, 9.3.1),
    and servers on the way refuse or drop it, so it has none."""
    return b"" if destination.method == BODILESS else body.encode()


def headers_of(destination: Destination, message_id: str, timestamp: int, body: bytes) -> list[str]:
    """The lines of the headers of a request."""
    headers = [
        *([] if destination.method == BODILESS else [f"Content-Type: {destination.content_type or ANY_TEXT}"]),
        "Expect:",  # no waiting for 100 Continue
        f"{signing.ID}: {message_id}",
        f"{signing.TIMESTAMP}: {timestamp}",
        *destination.header_lines,
    ]
    if destination.keys:
        headers.append(f"{signing.SIGNATURE}: {signing.sign(destination.keys, message_id, timestamp, body)}")
    return headers
