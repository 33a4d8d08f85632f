"""Rendering again what could not be rendered when it happened: somebody may have corrected the template since."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.utils import timezone

from heliostat.events.matching import registry
from heliostat.events.subscriptions import Subscription
from heliostat.outbox.bodies import event_from, is_stub
from heliostat.outbox.models import Callback, Status
from heliostat.outbox.problems import Problem
from heliostat.outbox.rendering import render, rendering

GONE = "the subscriber is no longer there, or is not sent such events any more"


def render_again(ids: Sequence[int], using: str, only: Sequence[Status]) -> None:
    """Render those of these callbacks that are errors because they could not be rendered.

    They can be sent from then on. What still cannot be rendered stays an error, with the reason of now.
    """
    failed = Callback.objects.using(using).filter(pk__in=ids, status__in=only).exclude(render_error="")
    callbacks = list(failed.select_related("event"))
    if not callbacks:
        return
    subscribers = registry.durable({one.subscriber for one in callbacks})
    for callback in callbacks:
        with transaction.atomic(using=using), rendering():
            _render_one(callback, subscribers.get(callback.subscriber), using)


def _render_one(callback: Callback, subscription: Subscription | None, using: str) -> None:
    if is_stub(callback.event.body):  # what the object was is not known any more
        return
    body: str | None = None
    problem: Problem | None = Problem(GONE, GONE)
    if subscription is not None:
        event = event_from(callback.event.body, callback.event.context, using)
        _, (rendered,) = render(event, [subscription])
        body, problem = rendered.body, rendered.problem
    row = Callback.objects.using(using).filter(pk=callback.pk, status=callback.status)
    reason, shown = problem or ("", "")
    row.update(body=body, render_error=reason, status_details=shown, updated_at=timezone.now())
