"""All transitions of a callback's state, named by verbs.

    waiting ──claim──▶ sending ──record──▶ sent
       ▲                  │ └────record──▶ waiting (again, later) | error (given up) | cancelled
       └────rescue────────┘   the lease ran out: its worker is taken for dead
    error | cancelled | sent ──resend──▶ waiting
    waiting ──retry now──▶ waiting (due now)

A claim carries a lease and a token, and every later change of the row by the worker checks the token: a worker
that lost the callback to another one changes nothing.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import DataError, IntegrityError, connections, transaction
from django.db.models import F
from django.utils import timezone

from heliostat.conf import conf
from heliostat.outbox import dispatch
from heliostat.outbox.dialect import Claimed, Dialect, dialect_for
from heliostat.outbox.models import Callback, Status
from heliostat.outbox.waking import wake_after_commit

logger = logging.getLogger("heliostat.outbox")

SENT = "sent"
RETRY = "retry"
GIVE_UP = "give_up"
CANCEL = "cancel"

ENDED = (Status.SENT, Status.ERROR, Status.CANCELLED)
ENDINGS = {GIVE_UP: Status.ERROR, CANCEL: Status.CANCELLED}
REFUSED = (IntegrityError, DataError)


class Result(NamedTuple):
    """How an attempt went: `outcome` is SENT, RETRY, GIVE_UP or CANCEL; times in seconds.

    `url` is the address of the request. `receiver_down` says that the receiver itself is in trouble, whatever it is
    sent; `subscriber_gone`, that it wants no callbacks any more.
    """

    claimed: Claimed
    outcome: str
    details: str
    started_at: datetime
    duration: float
    url: str = ""
    status_code: int | None = None
    error: str = ""
    response: str = ""
    response_headers: str = ""
    retry_after: float | None = None
    receiver_down: bool = False
    subscriber_gone: bool = False


def claim(slots: Mapping[str, int], using: str, among: Sequence[int] = ()) -> list[Claimed]:
    """Take due callbacks, up to the free slots of each subscriber; where ids are given, only of those."""
    if not slots:
        return []
    dialect, token, lease = dialect_for(using), secrets.randbits(62), float(conf.lease)
    return dialect.claim(slots, token, lease, among)


def record_results(results: Sequence[Result], using: str) -> None:
    """Record the results of attempts, and move their callbacks on. One short transaction for all.

    If the database refuses one of them, the others are recorded without it. Its callback moves on all the same, and
    only the log has the attempt.
    """
    if not results:
        return
    try:
        _record(results, using)
    except REFUSED as error:
        if len(results) > 1:  # by itself it says which
            for result in results:
                record_results([result], using)
        elif Callback.objects.using(using).filter(pk=(id_ := results[0].claimed.id)).exists():  # else it was deleted
            logger.error("attempt at callback %d cannot be written down: %s", id_, str(error).strip())
            _record(results, using, in_full=False)


def _record(results: Sequence[Result], using: str, *, in_full: bool = True) -> None:
    dialect = dialect_for(using)
    sent: dict[tuple[int, str], list[int]] = defaultdict(list)
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        for result in results:
            claimed = result.claimed
            if result.outcome == SENT:
                sent[claimed.token, result.details].append(claimed.id)
                continue
            outcome, details = comes_to(result), _storable(result.details)[:500]
            if outcome == RETRY:
                wait = wait_before_next(claimed.attempts, result.retry_after)
                dialect.postpone(cursor, claimed.id, claimed.token, wait, details)
            else:
                dialect.finish(cursor, [claimed.id], claimed.token, ENDINGS[outcome], details)
        for (token, details), ids in sent.items():
            dialect.finish(cursor, ids, token, Status.SENT, details)
        if in_full:
            dialect.log(cursor, [_attempt(result, dialect) for result in results])
        ended = [one.claimed for one in results if one.claimed.ordering_key is not None and comes_to(one) != RETRY]
        if ended:
            dialect.make_heads_due(cursor, [one.id for one in ended])


def comes_to(result: Result) -> str:
    """What becomes of the callback: the last failed attempt that is allowed ends it."""
    is_last = result.outcome == RETRY and result.claimed.attempts >= conf.max_attempts
    return GIVE_UP if is_last else result.outcome


def wait_before_next(attempts: int, retry_after: float | None = None) -> float:
    """Return seconds until the attempt after `attempts` failed ones: exponential, with jitter of ±20 %.

    A receiver's `Retry-After` is obeyed between our own wait and the longest one, because a receiver may slow us down
    but not stop us.
    """
    longest = float(conf.retry_longest)
    try:
        wait = min(longest, conf.retry_first * conf.retry_factor ** max(0, attempts - 1))
    except OverflowError:
        wait = longest
    if retry_after is not None:
        return max(wait, min(retry_after, longest))
    return wait * random.uniform(0.8, 1.2)  # noqa: S311  spreads load; no secret


def _storable(text: str) -> str:
    """Text that every database takes: what a receiver or an exception says may hold NUL or half a character."""
    if text.isascii() and "\x00" not in text:  # nearly always, and ten times quicker
        return text
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _attempt(result: Result, dialect: Dialect) -> tuple[Any, ...]:
    """Return a row in the order of ATTEMPT_COLUMNS."""
    return (
        result.claimed.id,
        result.claimed.attempts,
        dialect.time(result.started_at),
        round(result.duration * 1000),
        result.outcome,
        result.status_code,
        _storable(result.error)[:500],
        _storable(result.response),
        _storable(result.response_headers),
    )


def renew(claimed: Iterable[Claimed], using: str) -> None:
    """Prolong the lease of callbacks that are still being sent."""
    ids: dict[int, list[int]] = defaultdict(list)
    for one in claimed:
        ids[one.token].append(one.id)
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        for token, ids_of_claim in ids.items():
            dialect_for(using).renew(cursor, ids_of_claim, token, float(conf.lease))


def rescue(using: str) -> int:
    """Take callbacks from dead workers; one that was tried as often as allowed is given up. Return their number."""
    dialect = dialect_for(using)
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        lost = dialect.expired(cursor, limit=1000)
        if last := [id_ for id_, attempts in lost if attempts >= conf.max_attempts]:
            dialect.finish(cursor, last, None, Status.ERROR, "given up: its worker died at every attempt")
            dialect.make_heads_due(cursor, last)
        if again := [id_ for id_, attempts in lost if attempts < conf.max_attempts]:
            dialect.finish(cursor, again, None, Status.WAITING, "its worker died; waiting for another")
    return len(lost)


def retry_now(using: str, *, subscriber: str = "", ids: Sequence[int] | None = None) -> int:
    """Make callbacks due that wait for their next attempt: all, or a subscriber's, or these. Attempts still count.

    They are due since they were made, so that no two clocks need agree, and the oldest is first. Return their number.
    """
    later = Callback.objects.using(using).filter(status=Status.WAITING, due_at__gt=F("created_at"))
    if subscriber:
        later = later.filter(subscriber=subscriber)
    if ids is not None:
        later = later.filter(pk__in=ids)
    with transaction.atomic(using=using):
        count = later.update(due_at=F("created_at"))
        wake_after_commit(using)
        dispatch.dispatch_again_after_commit(ids or (), using)
    return count


def resend(ids: Iterable[int], using: str, only: Sequence[Status] = ENDED) -> int:
    """Send callbacks again that ended like this, with the same id and body, and all attempts before them.

    One whose body could not be rendered stays what it is (see `outbox.rendering_again`).

    One transaction; `outbox.resending` makes batches of many. They are due since they were made, as in `retry_now`.
    """
    keys = list(ids)
    ended = Callback.objects.using(using).filter(pk__in=keys, status__in=only, render_error="")
    again = {"status": Status.WAITING, "attempts": 0, "due_at": F("created_at"), "status_details": "to be resent"}
    with transaction.atomic(using=using):
        count = ended.update(**again, updated_at=timezone.now())
        wake_after_commit(using)
        dispatch.dispatch_again_after_commit(keys, using)
    return count
