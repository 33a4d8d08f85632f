"""What an answer means for its callback."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from heliostat.outbox.transitions import GIVE_UP, RETRY, SENT


@cache  # there are some nine hundred
def outcome_of(status: int) -> str:
    """2xx is received. 410 is final. Everything else may be better later: receivers restart and are misconfigured."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return SENT
    return GIVE_UP if status == HTTPStatus.GONE else RETRY


def is_in_trouble(status: int | None) -> bool:
    """Whether such an answer, or none at all, says that the receiver would take nothing else now either."""
    return status is None or status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS


@cache
def details_of(status: int) -> str:
    """`200 OK`, or the bare number where it is none of the standard's."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
