"""How many callbacks are in a state, by subscriber."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from heliostat.outbox.models import Callback, Status


@dataclass(frozen=True, slots=True)
class OfSubscriber:
    """`oldest` is when the oldest of them was created."""

    subscriber: str
    callbacks: int
    oldest: datetime


def by_subscriber(status: Status, using: str, since: datetime | None = None) -> list[OfSubscriber]:
    """Callbacks in this state, of the whole table or those that were made or tried `since`; the most first."""
    found = Callback.objects.using(using).filter(status=status)
    if since is not None:
        found = found.filter(updated_at__gte=since)
    rows = found.order_by().values_list("subscriber").annotate(callbacks=Count("pk"), oldest=Min("created_at"))
    return [OfSubscriber(*row) for row in rows.order_by("-callbacks", "subscriber")]


def by_status(ids: list[int], using: str) -> dict[int, str]:
    """The states of these callbacks, by id; one that does not exist is not in it."""
    return dict(Callback.objects.using(using).filter(pk__in=ids).values_list("pk", "status"))


def subscribers_of(ids: list[int], using: str) -> list[str]:
    """Whom these callbacks are for."""
    found = Callback.objects.using(using).filter(pk__in=ids).order_by("subscriber")
    return list(found.values_list("subscriber", flat=True).distinct())
