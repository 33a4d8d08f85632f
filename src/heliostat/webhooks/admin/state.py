"""The state of hooks, for a page of them in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import CharField, Count, F, OuterRef, Subquery, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from heliostat.outbox.admin.log import moment
from heliostat.outbox.models import Callback, CircuitBreaker, Status
from heliostat.outbox.queries import in_state
from heliostat.webhooks.models import Hook


@dataclass(frozen=True, slots=True)
class Summary:
    """How many callbacks of a hook wait, when one was last received, and until when its circuit breaker is open."""

    waiting: int = 0
    last_success: datetime | None = None
    open_until: datetime | None = None


def summaries(hooks: Sequence[Hook], using: str) -> list[Summary]:
    """Return a summary of each hook."""
    subscribers = [hook.subscriber for hook in hooks]
    callbacks = Callback.objects.using(using)
    waiting = in_state(callbacks, Status.WAITING).filter(subscriber__in=subscribers).order_by()
    counts = dict(waiting.values_list("subscriber").annotate(count=Count(F("subscriber"))))
    of_hook = in_state(callbacks, Status.SENT).filter(
        subscriber=Concat(Value("hook:"), Cast(OuterRef("pk"), CharField()))
    )
    rows = Hook.objects.using(using).filter(pk__in=[hook.pk for hook in hooks]).order_by()
    last = dict(rows.values_list("pk", Subquery(of_hook.order_by("-id").values("updated_at")[:1])))
    breakers = CircuitBreaker.objects.using(using).filter(subscriber__in=subscribers, open_until__gt=timezone.now())
    is_open = dict(breakers.values_list("subscriber", "open_until"))
    return [Summary(counts.get(hook.subscriber, 0), last.get(hook.pk), is_open.get(hook.subscriber)) for hook in hooks]


def state_of(hook: Hook, summary: Summary) -> tuple[str, str]:
    """Return a word for a state, and why or since when."""

    def shown(time: datetime | None) -> str:
        return moment(time) if time is not None else ""

    is_open = f"left alone until {moment(summary.open_until)}" if summary.open_until else ""
    states = (
        (hook.ended, "ended", "with its object"),
        (not hook.enabled, "disabled", hook.disabled_because),
        (hook.user is not None and not hook.user.is_active, "stopped", "its owner is inactive"),
        (hook.expires_at and hook.expires_at <= timezone.now(), "expired", shown(hook.expires_at)),
        (hook.paused, "paused", "what happens waits"),
        (hook.failing_since, "failing", f"since {shown(hook.failing_since)} {is_open}".rstrip()),
    )
    return next(((word, why) for holds, word, why in states if holds), ("enabled", is_open))
