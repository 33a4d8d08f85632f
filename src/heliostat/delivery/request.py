"""One exchange: from a job to a request, and from the answer to a result."""

from __future__ import annotations

import socket
import time
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pycurl
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery import signing
from heliostat.delivery.answers import details_of, is_in_trouble, outcome_of
from heliostat.delivery.destinations import Destination, NoDestination
from heliostat.delivery.guard import why_forbidden
from heliostat.delivery.heads import kept
from heliostat.delivery.kinds import Job
from heliostat.delivery.names import Found, for_libcurl, place_of, refusal
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result

if TYPE_CHECKING:
    from heliostat.delivery.line import Line

BODILESS = "GET"
ANY_TEXT = "text/plain; charset=utf-8"  # of a template without a content type


class Exchange:
    """A request in flight and what has been heard of its answer so far."""

    __slots__ = ("began", "excerpt", "forbidden", "found", "head", "heard", "job", "place", "started_at", "where")

    def __init__(self, job: Job, where: Destination | NoDestination) -> None:
        self.job = job
        self.where = where
        self.place = place_of(where.url) if isinstance(where, Destination) else None
        self.found: Found | None = None
        self.excerpt = b""
        self.head: list[bytes] = []
        self.heard = 0
        self.forbidden: str | None = None

    def prepare(self, line: Line) -> Result | None:
        """Set up a request; returns a result at once where none can be sent."""
        self.started_at: datetime = timezone.now()
        self.began = time.perf_counter()
        if not isinstance(self.where, Destination):
            return self._result(CANCEL, self.where.reason)
        if self.found and self.found.problem:
            return self._result(RETRY, self.found.problem)
        try:
            self._set_up(line, self.where)
        except (pycurl.error, ValueError, UnicodeError, TypeError) as error:
            return self._result(GIVE_UP, f"no request can be made of this: {error}")
        return None

    def _set_up(self, line: Line, where: Destination) -> None:
        body, handle = body_of(where, self.job.body), line.curl
        line.call(where.url, where.method)
        if where.method == BODILESS:
            handle.setopt(pycurl.HTTPGET, 1)  # takes away the body of the request before
        else:
            handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.HTTPHEADER, headers_of(where, self.job.message_id, int(self.started_at.timestamp()), body))
        if conf.response_headers:
            handle.setopt(pycurl.HEADERFUNCTION, self.head.append)
        if self.place and self.found and not self.found.told:
            handle.setopt(pycurl.RESOLVE, for_libcurl(self.place, self.found))

    def look_up(self) -> int:
        """libcurl may read a literal address in whatever spelling; names it has from us, and asks nobody itself."""
        return 1 if self.place else 0

    def open_guarded(self, _purpose: int, address: Any) -> Any:
        """The one place where a connection to a receiver is opened: here the concrete address is known."""
        family, kind, protocol, concrete = address
        self.forbidden = why_forbidden(concrete[0])
        return pycurl.SOCKET_BAD if self.forbidden else socket.socket(family, kind, protocol)

    def hear(self, chunk: bytes) -> int | None:
        self.heard += len(chunk)
        wanted = conf.response_excerpt - len(self.excerpt)
        if wanted > 0:
            self.excerpt += chunk[:wanted]
        return 0 if self.heard > conf.response_limit else None  # 0 ends the transfer

    def result(self, handle: Any, code: int, message: str) -> Result:
        """What came of it. An answer that was cut off at our own limit still counts by its status."""
        if self.found:
            self.found.told = code != pycurl.E_ABORTED_BY_CALLBACK  # it may have forgotten
        cut_off = code == pycurl.E_WRITE_ERROR and self.heard > conf.response_limit
        if code and not cut_off:
            return self._result(RETRY, self._told(code, message))
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        outcome = outcome_of(status)
        asked = handle.getinfo(pycurl.RETRY_AFTER) if outcome != SENT else 0  # RFC 9110, 10.2.3: seconds or a date
        return self._result(outcome, details_of(status), status, asked)

    def _told(self, code: int, message: str) -> str:
        if self.forbidden:
            return refusal(self.forbidden)
        return message or f"libcurl error {code}"

    def _result(self, outcome: str, details: str, status: int | None = None, retry_after: float = 0) -> Result:
        return Result(
            claimed=self.job.claimed,
            outcome=outcome,
            details=details,
            started_at=self.started_at,
            duration=time.perf_counter() - self.began,
            url=self.where.url if isinstance(self.where, Destination) else "",
            status_code=status,
            error="" if status else details,
            response=self.excerpt.decode("utf-8", "replace"),
            response_headers=kept(self.head, conf.response_headers) if self.head else "",
            retry_after=retry_after or None,
            receiver_down=outcome == RETRY and is_in_trouble(status),
            subscriber_gone=status == HTTPStatus.GONE,
        )


def body_of(where: Destination, body: str) -> bytes:
    """The body of a request, as it is sent and signed: what a GET would mean with one is not defined (RFC 9110, 9.3.1),
    and servers on the way refuse or drop it, so it has none."""
    return b"" if where.method == BODILESS else body.encode()


def headers_of(where: Destination, message_id: str, timestamp: int, body: bytes) -> list[str]:
    """The lines of the headers of a request."""
    headers = [
        *([] if where.method == BODILESS else [f"Content-Type: {where.content_type or ANY_TEXT}"]),
        "Expect:",  # no waiting for 100 Continue
        f"{signing.ID}: {message_id}",
        f"{signing.TIMESTAMP}: {timestamp}",
        *where.header_lines,
    ]
    if where.keys:
        headers.append(f"{signing.SIGNATURE}: {signing.sign(where.keys, message_id, timestamp, body)}")
    return headers
