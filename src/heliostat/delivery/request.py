"""One HTTP request: from a job and its destination to what libcurl sends, and from the answer to a result."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from http import HTTPStatus
from typing import Any

import pycurl
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery import signing
from heliostat.delivery.guard import why_forbidden
from heliostat.delivery.kinds import Job
from heliostat.delivery.resolver import HostPort, Resolution, refusal
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result
from heliostat.redaction import redacted_headers

BODILESS = "GET"
ANY_TEXT = "text/plain; charset=utf-8"  # of a template without a content type


@dataclass(frozen=True, slots=True)
class Destination:
    """What a request needs beside its body. `keys` sign it; several while a secret is being rotated.

    Raises `ValueError` where a header would break out of its line.
    """

    url: str = field(repr=False)  # it and the headers may hold secrets, and tracebacks show representations
    method: str = "POST"
    header_lines: tuple[str, ...] = field(default=(), repr=False)
    content_type: str = "application/json"
    keys: tuple[signing.SigningKey, ...] = ()

    def __post_init__(self) -> None:
        if any("\r" in line or "\n" in line for line in (*self.header_lines, self.content_type)):
            raise ValueError("a header holds a line break")


@dataclass(frozen=True, slots=True)
class NoDestination:
    """The subscriber does not exist any more, or is disabled; `reason` goes into the callback's details.

    Where that may change by itself (`is_final` is False), the callback is retried.
    """

    reason: str
    is_final: bool = True


class CurlHandle:
    """A libcurl handle, used for one request after the other.

    Its callbacks are set once, and the URL only where it differs from the last: to set all for each request would take
    a twelfth of the whole request. `opened` is called with the descriptor of each connection that libcurl opens.
    """

    def __init__(self, opened: Callable[[int, int], int]) -> None:
        self.curl = pycurl.Curl()
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
            pycurl.OPENSOCKETFUNCTION: self._open_socket,
            pycurl.SOCKOPTFUNCTION: opened,
            pycurl.RESOLVER_START_FUNCTION: self._start_resolver,
            pycurl.WRITEFUNCTION: self._on_body,
        }
        self._head: list[bytes] = []
        if conf.response_headers:
            options[pycurl.HEADERFUNCTION] = self._head.append
        if conf.ca_file:
            options[pycurl.CAINFO] = conf.ca_file
        for option, value in options.items():
            self.curl.setopt(option, value)
        self._url = self._method = ""

    def begin(
        self,
        job: Job,
        destination: Destination | NoDestination,
        address: HostPort | None = None,
        resolution: Resolution | None = None,
    ) -> Result | None:
        """Set up a request. Return its result where none can be sent."""
        self._job, self._destination = job, destination
        self._address, self._resolution = address, resolution
        self._excerpt, self._received = b"", 0
        self._head.clear()
        self._forbidden: str | None = None
        self._started_at: datetime = timezone.now()
        self._began = time.perf_counter()
        if not isinstance(destination, Destination):
            return self._result(CANCEL if destination.is_final else RETRY, destination.reason)
        if resolution and resolution.problem:
            return self._result(RETRY, resolution.problem)
        try:
            self._set_up(destination)
        except (pycurl.error, ValueError, UnicodeError, TypeError) as error:
            self._url = self._method = ""  # libcurl may have refused them
            return self._result(GIVE_UP, f"no request can be made of this: {error}")
        return None

    def _set_up(self, destination: Destination) -> None:
        timestamp, curl = int(self._started_at.timestamp()), self.curl
        headers, body = headers_and_body(destination, self._job.message_id, timestamp, self._job.body)
        if destination.url != self._url:
            curl.setopt(pycurl.URL, destination.url)
            self._url = destination.url
        if destination.method != self._method:
            curl.setopt(pycurl.CUSTOMREQUEST, destination.method)
            self._method = destination.method
        if destination.method == BODILESS:
            curl.setopt(pycurl.HTTPGET, 1)  # removes the body of the request before
        else:
            curl.setopt(pycurl.POSTFIELDS, body)
        curl.setopt(pycurl.HTTPHEADER, headers)
        if self._address and self._resolution and not self._resolution.is_in_libcurl:
            host, port = self._address
            listed = ",".join(f"[{one}]" if ":" in one else one for one in self._resolution.addresses)
            curl.setopt(pycurl.RESOLVE, [f"{host}:{port}:{listed}"])

    def _open_socket(self, _purpose: int, address: Any) -> Any:
        """Open a connection: the only place where one is opened, and where the concrete address is known."""
        family, kind, protocol, concrete = address
        self._forbidden = why_forbidden(concrete[0])
        return pycurl.SOCKET_BAD if self._forbidden else socket.socket(family, kind, protocol)

    def _start_resolver(self, *_: Any) -> int:
        """Keep libcurl from looking up names, which it has from us; a literal address it may read."""
        return 1 if self._address else 0

    def _on_body(self, chunk: bytes) -> int | None:
        """Keep the beginning of the answer; 0 ends a transfer that is too long."""
        self._received += len(chunk)
        wanted = conf.response_excerpt - len(self._excerpt)
        if wanted > 0:
            self._excerpt += chunk[:wanted]
        return 0 if self._received > conf.response_limit else None

    def end(self, code: int, message: str) -> Result:
        """Return the result of the request. An answer that was cut off at our own limit still counts by its status."""
        if self._resolution:
            self._resolution.is_in_libcurl = code != pycurl.E_ABORTED_BY_CALLBACK  # it may have forgotten
        if code and not (code == pycurl.E_WRITE_ERROR and self._received > conf.response_limit):
            problem = refusal(self._forbidden) if self._forbidden else message or f"libcurl error {code}"
            return self._result(RETRY, problem)
        status = self.curl.getinfo(pycurl.RESPONSE_CODE)
        outcome = outcome_of(status)
        # RFC 9110, 10.2.3: seconds or a date
        retry_after = self.curl.getinfo(pycurl.RETRY_AFTER) if outcome != SENT else 0
        return self._result(outcome, details_of(status), status, retry_after)

    def _result(self, outcome: str, details: str, status: int | None = None, retry_after: float = 0) -> Result:
        is_in_trouble = status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return Result(
            claimed=self._job.claimed,
            outcome=outcome,
            details=details,
            started_at=self._started_at,
            duration=time.perf_counter() - self._began,
            url=self._destination.url if isinstance(self._destination, Destination) else "",
            status_code=status,
            error="" if status else details,
            response=self._excerpt.decode("utf-8", "replace"),
            response_headers=redacted_headers(b"".join(self._head), conf.response_headers) if self._head else "",
            retry_after=retry_after or None,
            receiver_down=outcome == RETRY and (is_in_trouble or status == HTTPStatus.TOO_MANY_REQUESTS),
            subscriber_gone=status == HTTPStatus.GONE,
        )


def headers_and_body(destination: Destination, message_id: str, timestamp: int, text: str) -> tuple[list[str], bytes]:
    """Return the lines of the headers of a request, and its body, as it is sent and signed.

    What a GET would mean with a body is not defined (RFC 9110, 9.3.1), and servers on the way refuse or drop it, so it
    has none.
    """
    is_bodiless = destination.method == BODILESS
    body = b"" if is_bodiless else text.encode()
    headers = [
        *([] if is_bodiless else [f"Content-Type: {destination.content_type or ANY_TEXT}"]),
        "Expect:",  # no waiting for 100 Continue
        f"{signing.ID}: {message_id}",
        f"{signing.TIMESTAMP}: {timestamp}",
        *destination.header_lines,
    ]
    if destination.keys:
        headers.append(f"{signing.SIGNATURE}: {signing.sign(destination.keys, message_id, timestamp, body)}")
    return headers, body


@cache  # there are some nine hundred
def outcome_of(status: int) -> str:
    """2xx is received. 410 is final. Everything else may be better later: receivers restart and are misconfigured."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return SENT
    return GIVE_UP if status == HTTPStatus.GONE else RETRY


@cache
def details_of(status: int) -> str:
    """Return `200 OK`, or the bare number where it is none of the standard's."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
