"""Deleting what came to an end long ago, in short transactions: callbacks, their attempts, then events without any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, QuerySet

from heliostat.outbox.models import Attempt, Callback, Event
from heliostat.outbox.transitions import ENDED

BATCH = 1000
LOOKED_UP = 100_000  # events for nobody: each look costs MariaDB time for all that there are


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows of each kind."""

    callbacks: int = 0
    attempts: int = 0
    events: int = 0

    def __add__(self, other: Rows) -> Rows:
        return Rows(self.callbacks + other.callbacks, self.attempts + other.attempts, self.events + other.events)


def count_ended(before: datetime, using: str) -> Rows:
    """What `delete_ended` would delete now."""
    old = _ended(before, using)
    callbacks = Callback.objects.using(using).filter(event=OuterRef("pk"))
    events = Event.objects.using(using).filter(Exists(callbacks.filter(status__in=ENDED, created_at__lt=before)))
    events = events.exclude(Exists(callbacks.exclude(status__in=ENDED, created_at__lt=before)))
    attempts = Attempt.objects.using(using).filter(callback__in=old)
    return Rows(old.count(), attempts.count(), events.count() + _for_nobody(before, using).count())


def delete_ended(before: datetime, using: str) -> Iterator[Rows]:
    """Delete callbacks that were created before this time and came to an end; yields what each batch deleted.

    Events of that age that nobody asked for go with them: other programs write down whatever happens.
    Each batch is a transaction of its own; what a worker or a person holds at the moment is left for another day.
    """
    can_skip, last = connections[using].features.has_select_for_update_skip_locked, 0
    while ids := list(_ended(before, using).filter(pk__gt=last).values_list("pk", flat=True)[:BATCH]):
        last = ids[-1]
        with transaction.atomic(using=using):
            # Looked at again under a lock: somebody may have asked in between that one be sent again.
            locked = _ended(before, using).filter(pk__in=ids).select_for_update(skip_locked=can_skip)
            if found := dict(locked.values_list("pk", "event_id")):
                attempts = Attempt.objects.using(using).filter(callback__in=list(found))._raw_delete(using)
                callbacks = Callback.objects.using(using).filter(pk__in=list(found))._raw_delete(using)
                events = _without_callbacks(using).filter(pk__in=set(found.values()))._raw_delete(using)
        if found:
            yield Rows(callbacks, attempts, events)
    keys = _for_nobody(before, using).values_list("pk", flat=True)
    unwanted = list(keys[:LOOKED_UP])
    while unwanted:
        for start in range(0, len(unwanted), BATCH):
            batch = unwanted[start : start + BATCH]
            yield Rows(events=_without_callbacks(using).filter(pk__in=batch)._raw_delete(using))
        unwanted = list(keys.filter(pk__gt=unwanted[-1])[:LOOKED_UP])


def _ended(before: datetime, using: str) -> QuerySet[Callback]:
    return Callback.objects.using(using).filter(status__in=ENDED, created_at__lt=before).order_by("id")


def _for_nobody(before: datetime, using: str) -> QuerySet[Event]:
    return _without_callbacks(using).filter(matched=True, created_at__lt=before).order_by("id")


def _without_callbacks(using: str) -> QuerySet[Event]:
    asked_for = Callback.objects.using(using).filter(event=OuterRef("pk"))
    return Event.objects.using(using).filter(~Exists(asked_for)).order_by()
