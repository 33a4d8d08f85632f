"""Hooks as a kind of subscribers: where they are, what they allow, and what follows from each attempt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery.http import HttpKind
from heliostat.delivery.request import Destination, NoDestination
from heliostat.outbox import circuit_breaker
from heliostat.outbox.kinds import Dispatcher
from heliostat.outbox.limits import Limits
from heliostat.outbox.transitions import Result
from heliostat.webhooks import changes, destinations
from heliostat.webhooks.databases import hooks_database
from heliostat.webhooks.deliverers.base import answered, dispatcher
from heliostat.webhooks.models import Hook, hook_of
from heliostat.webhooks.operations import disable_failing

LIMITED = Q(paused=True) | Q(max_per_second__isnull=False) | Q(max_concurrent__isnull=False)


class HookKind(HttpKind):
    """Rows of `Hook`, as `hook:<id>`."""

    name = "hook"

    def destinations(self, subscribers: Collection[str]) -> Mapping[str, Destination | NoDestination]:
        return destinations.destinations(subscribers)

    def dispatcher(self) -> Dispatcher | None:
        return dispatcher()

    def admin_url(self, subscriber: str) -> str:
        return reverse("admin:heliostat_webhooks_hook_change", args=[hook_of(subscriber)])

    def attempted(self, result: Result, using: str) -> None:
        answered(result, using)

    def version(self) -> int:
        return changes.mark(hooks_database())

    def limits(self) -> Mapping[str, Limits]:
        rows = Hook.objects.using(hooks_database()).filter(LIMITED, enabled=True)
        found = rows.order_by().values_list("pk", "max_concurrent", "max_per_second", "paused")
        return {f"hook:{pk}": Limits(concurrent, rate, paused) for pk, concurrent, rate, paused in found}

    def failing(self, subscriber: str) -> None:
        """Record the time of the first failure; disable a hook that has only failed for too long since then."""
        row, now = _row(subscriber), timezone.now()
        if not row.filter(failing_since__isnull=True).update(failing_since=now) and conf.disable_after:
            long_ago = now - timedelta(seconds=conf.disable_after)
            for since in row.filter(failing_since__lt=long_ago).values_list("failing_since", flat=True):
                disable_failing(subscriber, f"it has only failed since {since:%Y-%m-%d %H:%M} UTC")

    def recovered(self, subscriber: str) -> None:
        _row(subscriber).filter(failing_since__isnull=False).update(failing_since=None)

    def gone(self, subscriber: str) -> None:
        disable_failing(subscriber, "its receiver answered 410 Gone")


def hook_deleted(instance: Hook, using: str, **_: Any) -> None:
    """Delete the circuit breaker of a deleted hook."""
    circuit_breaker.reset([instance.subscriber], using)


def _row(subscriber: str) -> QuerySet[Hook]:
    """Plain rows: the state of deliveries changes nothing for a dispatcher, so no process need look again."""
    return QuerySet(Hook, using=hooks_database()).filter(pk=hook_of(subscriber))
