"""What an answer means for its callback."""

from __future__ import annotations

from http import HTTPStatus

from heliostat.outbox.transitions import GIVE_UP, RETRY, SENT


def outcome_of(status: int) -> str:
    """2xx is received. 410 is final. Everything else may be better later: receivers restart and are misconfigured."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return SENT
    return GIVE_UP if status == HTTPStatus.GONE else RETRY


def details_of(status: int) -> str:
    """`200 OK`, or the bare number where it is none of the standard's."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
