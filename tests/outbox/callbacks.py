"""Callbacks in the outbox, in whatever state and of whatever age a test wants."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from heliostat.events.event import Event, Phase
from heliostat.events.subscriptions import Subscription
from heliostat.outbox import transitions
from heliostat.outbox.models import Attempt, Callback
from heliostat.outbox.models import Event as EventRow
from heliostat.outbox.write import write


def forget_all(using: str) -> None:
    """An empty outbox, for the next example of a state machine."""
    for model in (Attempt, Callback, EventRow):
        model.objects.using(using).all().delete()


def callbacks_for(using: str, *subscribers: str, **changes: Any) -> list[Callback]:
    """One event with callbacks of these subscribers; its callbacks changed like this."""
    event = Event(resource="example.vehicle", action="created", object_id="1")
    write([(event, [Subscription(name=name, pattern="*", phase=Phase.DURABLE) for name in subscribers])], using)
    made = Callback.objects.using(using).filter(event_id=event.id)
    if changes:
        made.update(**changes)
    return list(made.order_by("id"))


def ended(using: str, *subscribers: str, outcome: str = transitions.SENT, days: float = 0) -> list[Callback]:
    """The same, notified with this outcome by a worker so many days ago; each has an attempt."""
    ids = [one.pk for one in callbacks_for(using, *subscribers)]
    results = [
        transitions.Result(claimed=claimed, outcome=outcome, details="", started_at=timezone.now(), duration=0.01)
        for claimed in transitions.claim(dict.fromkeys(subscribers, 10), using, ids)
    ]
    transitions.record_results(results, using)
    rows = Callback.objects.using(using).filter(pk__in=ids)
    then = timezone.now() - timedelta(days=days)
    rows.update(created_at=then, updated_at=then)
    assert Attempt.objects.using(using).filter(callback__in=ids).count() == len(ids)
    return list(rows.order_by("id"))
