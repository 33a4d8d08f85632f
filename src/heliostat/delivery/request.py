"""One exchange: from a job to a request, and from the answer to a result."""

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
from heliostat.delivery.answers import details_of, outcome_of
from heliostat.delivery.destinations import Destination, NoDestination
from heliostat.delivery.guard import why_forbidden
from heliostat.delivery.transport import Job
from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result


class Exchange:
    """A request in flight and what has been heard of its answer so far."""

    __slots__ = ("began", "excerpt", "forbidden", "heard", "job", "started_at", "where")

    def __init__(self, job: Job, where: Destination | NoDestination) -> None:
        self.job = job
        self.where = where
        self.excerpt = b""
        self.heard = 0
        self.forbidden: str | None = None

    def prepare(self, handle: Any) -> Result | None:
        """Set up a request; returns a result at once where none can be sent."""
        self.started_at: datetime = timezone.now()
        self.began = time.perf_counter()
        if not isinstance(self.where, Destination):
            return self._result(CANCEL, self.where.reason)
        try:
            self._set_up(handle, self.where)
        except (pycurl.error, ValueError, UnicodeError, TypeError) as error:
            return self._result(GIVE_UP, f"no request can be made of this: {error}")
        return None

    def _set_up(self, handle: Any, where: Destination) -> None:
        body = self.job.body.encode()
        handle.setopt(pycurl.URL, where.url)
        handle.setopt(pycurl.CUSTOMREQUEST, where.method)
        handle.setopt(pycurl.POSTFIELDS, body)
        handle.setopt(pycurl.HTTPHEADER, self._headers(where, body))
        handle.setopt(pycurl.OPENSOCKETFUNCTION, self._open_guarded)
        handle.setopt(pycurl.WRITEFUNCTION, self._hear)

    def _headers(self, where: Destination, body: bytes) -> list[str]:
        timestamp = int(self.started_at.timestamp())
        headers = [
            f"Content-Type: {where.content_type}",
            "Expect:",  # no waiting for 100 Continue
            f"{signing.ID}: {self.job.message_id}",
            f"{signing.TIMESTAMP}: {timestamp}",
            *where.header_lines,
        ]
        if where.keys:
            signature = signing.sign(where.keys, self.job.message_id, timestamp, body)
            headers.append(f"{signing.SIGNATURE}: {signature}")
        return headers

    def _open_guarded(self, _purpose: int, address: Any) -> Any:
        """The one place where a connection to a receiver is opened: here the concrete address is known."""
        family, kind, protocol, concrete = address
        self.forbidden = why_forbidden(concrete[0])
        return pycurl.SOCKET_BAD if self.forbidden else socket.socket(family, kind, protocol)

    def _hear(self, chunk: bytes) -> int | None:
        self.heard += len(chunk)
        wanted = conf.response_excerpt - len(self.excerpt)
        if wanted > 0:
            self.excerpt += chunk[:wanted]
        return 0 if self.heard > conf.response_limit else None  # 0 ends the transfer

    def result(self, handle: Any, code: int, message: str) -> Result:
        """What came of it. An answer that was cut off at our own limit still counts by its status."""
        cut_off = code == pycurl.E_WRITE_ERROR and self.heard > conf.response_limit
        if code and not cut_off:
            return self._result(RETRY, self._told(code, message))
        status = handle.getinfo(pycurl.RESPONSE_CODE)
        outcome = outcome_of(status)
        asked = handle.getinfo(pycurl.RETRY_AFTER) if outcome != SENT else 0  # RFC 9110, 10.2.3: seconds or a date
        return self._result(outcome, details_of(status), status, asked)

    def _told(self, code: int, message: str) -> str:
        if self.forbidden:
            return f"address refused: {self.forbidden}. HELIOSTAT_ALLOW_NETWORKS can allow a network of your own."
        return message or f"libcurl error {code}"

    def _result(self, outcome: str, details: str, status: int | None = None, retry_after: float = 0) -> Result:
        return Result(
            claimed=self.job.claimed,
            outcome=outcome,
            details=details,
            started_at=self.started_at,
            duration=time.perf_counter() - self.began,
            status_code=status,
            error="" if status else details,
            response=self.excerpt.decode("utf-8", "replace"),
            retry_after=retry_after or None,
            subscriber_gone=status == HTTPStatus.GONE,
        )
