"""Send callbacks again that have ended: a selection, or all that a subscriber missed.

In batches, one short transaction each. What was missed is looked up once, at the start: what fails again in the
meantime is not sent a third time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import datetime

from django.db.models import QuerySet

from heliostat.events.databases import home
from heliostat.outbox import dispatch, transitions
from heliostat.outbox.dispatch import left_to_worker
from heliostat.outbox.models import Callback, Status
from heliostat.outbox.queries import in_state
from heliostat.outbox.rendering_again import render_again
from heliostat.outbox.transitions import ENDED

BATCH = 1000
LIMIT = 10_000  # in one request: a second or so


def _say_nothing(_: int) -> None:
    pass


def resend(
    ids: Iterable[int],
    using: str | None = None,
    *,
    only: Iterable[Status] = ENDED,
    done: Callable[[int], None] = _say_nothing,
) -> int:
    """Send these callbacks again, with the same id and body; return their number.

    What could not be rendered is rendered again, of the event as it was; what still cannot be stays an error.

    Callbacks that wait or are being sent stay as they are. `done` is called after each batch, with the number so far.
    A deliverer sends a few at once, as after a change; a worker sends larger numbers, so that the user does not wait.
    """
    using = using or home()
    keys, states = sorted(set(ids)), tuple(only)
    count = 0
    with left_to_worker() if len(keys) > dispatch.AT_ONCE else nullcontext():
        for start in range(0, len(keys), BATCH):
            render_again(keys[start : start + BATCH], using, states)
            count += transitions.resend(keys[start : start + BATCH], using, states)
            done(count)
    return count


def resend_all(
    subscriber: str,
    since: datetime,
    using: str | None = None,
    *,
    status: Status = Status.ERROR,
    limit: int | None = None,
    done: Callable[[int], None] = _say_nothing,
) -> int:
    """Resend all callbacks that ended with this status since a time, and return their number. No subscriber: of all.

    Of more than `limit`, those that ended first: what fails again in the meantime comes last.
    """
    using = using or home()
    found = ended_since(subscriber, since, using, status=status)
    if limit is not None:
        found = found.order_by("updated_at")[:limit]
    return resend(found.values_list("pk", flat=True), using, only=[status], done=done)


def failed_since(subscriber: str, since: datetime, using: str | None = None, *, status: Status = Status.ERROR) -> int:
    """Return how many callbacks `resend_all` would send again now."""
    return ended_since(subscriber, since, using, status=status).count()


def ended_since(
    subscriber: str, since: datetime, using: str | None = None, *, status: Status = Status.ERROR
) -> QuerySet[Callback]:
    """Return the callbacks that `resend_all` would send again now."""
    found = in_state(Callback.objects.using(using or home()), status).filter(updated_at__gte=since).order_by()
    return found.filter(subscriber=subscriber) if subscriber else found
