"""A log line for each attempt: its outcome, never what was sent."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from heliostat.outbox.transitions import CANCEL, GIVE_UP, RETRY, SENT, Result, comes_to

logger = logging.getLogger("heliostat.delivery")

LEVELS = {SENT: logging.INFO, CANCEL: logging.INFO, RETRY: logging.WARNING, GIVE_UP: logging.ERROR}
WORDS = {SENT: "sent", CANCEL: "cancelled", RETRY: "failed, to be tried again", GIVE_UP: "given up"}


def write(results: Sequence[Result]) -> None:
    """Log the attempts whose level is enabled; the others cost next to nothing."""
    is_loud = logger.isEnabledFor(logging.INFO)
    for result in results:
        if (is_loud or result.outcome != SENT) and logger.isEnabledFor(LEVELS[outcome := comes_to(result)]):
            _log(result, outcome)


def _log(result: Result, outcome: str) -> None:
    words = result.claimed.subscriber, WORDS[outcome], result.details
    logger.log(LEVELS[outcome], "%s %s: %s", *words, extra=_facts(result, outcome))


def _facts(result: Result, outcome: str) -> dict[str, Any]:
    """Return the fields by which logs are searched."""
    claimed = result.claimed
    return {
        "event_id": str(UUID(claimed.event_hex)),
        "callback_id": claimed.id,
        "subscriber": claimed.subscriber,
        "attempt": claimed.attempts,
        "outcome": outcome,
        "status_code": result.status_code,
        "duration_ms": round(result.duration * 1000),
    }
