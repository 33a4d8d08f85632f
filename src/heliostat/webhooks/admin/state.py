"""How hooks are doing, for a page of them in a fixed number of queries."""

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
class Doing:
    """How many callbacks of a hook wait, when one was last received, and until when its receiver is left alone."""

    waiting: int = 0
    last_success: datetime | None = None
    left_alone_until: datetime | None = None


def doing(hooks: Sequence[Hook], using: str) -> dict[int, Doing]:
    """How these hooks are doing, by id."""
    waiting = _waiting([hook.subscriber for hook in hooks], using)
    sent = in_state(Callback.objects.using(using), Status.SENT).order_by("-id").values("updated_at")
    of_hook = sent.filter(subscriber=Concat(Value("hook:"), Cast(OuterRef("pk"), CharField())))
    rows = Hook.objects.using(using).filter(pk__in=[hook.pk for hook in hooks]).order_by()
    last = dict(rows.values_list("pk", Subquery(of_hook[:1])))
    closed = _open_until([hook.subscriber for hook in hooks], using)
    return {
        hook.pk: Doing(waiting.get(hook.subscriber, 0), last.get(hook.pk), closed.get(hook.subscriber))
        for hook in hooks
    }


def _waiting(subscribers: Sequence[str], using: str) -> dict[str, int]:
    found = in_state(Callback.objects.using(using), Status.WAITING).filter(subscriber__in=subscribers)
    return dict(found.order_by().values_list("subscriber").annotate(count=Count(F("subscriber"))))


def _open_until(subscribers: Sequence[str], using: str) -> dict[str, datetime | None]:
    breakers = CircuitBreaker.objects.using(using).filter(subscriber__in=subscribers, open_until__gt=timezone.now())
    return dict(breakers.values_list("subscriber", "open_until"))


def state_of(hook: Hook, how: Doing) -> tuple[str, str]:
    """A word for a state, and why or since when."""
    if (stopped := _why_nothing_is_sent(hook)) is not None:
        return stopped
    left_alone = f"left alone until {moment(how.left_alone_until)}" if how.left_alone_until else ""
    if hook.failing_since:
        return "failing", f"since {moment(hook.failing_since)} {left_alone}".rstrip()
    return "enabled", left_alone


def _why_nothing_is_sent(hook: Hook) -> tuple[str, str] | None:
    if hook.ended:
        return "ended", "with its object"
    if not hook.enabled:
        return "disabled", hook.disabled_because
    if hook.user is not None and not hook.user.is_active:
        return "stopped", "its owner is inactive"
    if hook.expires_at and hook.expires_at <= timezone.now():
        return "expired", moment(hook.expires_at)
    return ("paused", "what happens waits") if hook.paused else None
