"""Operations on webhooks: send a test event, pause, resume, enable, disable, rotate the secret.

Each function changes the row and the `Hook` object. All processes use the change within a second.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from heliostat.conf import conf
from heliostat.delivery.signing import new_secret
from heliostat.events.databases import database_of
from heliostat.events.event import Event, Phase
from heliostat.events.publish import has_subscribers_of_type, publish
from heliostat.events.subscriptions import Subscription
from heliostat.exceptions import Refused
from heliostat.outbox import circuit_breaker, dispatch
from heliostat.outbox.dialect import moment
from heliostat.outbox.models import Callback, Status
from heliostat.outbox.queries import in_state
from heliostat.outbox.waking import wake_after_commit
from heliostat.outbox.write import write
from heliostat.webhooks.exceptions import HookDisabledError
from heliostat.webhooks.models import Hook, hook_of, hooks_database
from heliostat.webhooks.targets import host_of

logger = logging.getLogger("heliostat.webhooks")

PING = "heliostat.ping"
RESOURCE, ACTION = "webhooks.hook", "disabled"
DISABLED = f"{RESOURCE}.{ACTION}"


def ping(hook: Hook) -> Callback:
    """Send a test event of the type `heliostat.ping` to this webhook only. Return the callback.

    A worker signs, sends, retries and logs it like any other. While the webhook is paused, it waits. Raise
    `HookDisabledError` if the webhook is disabled.
    """
    if not hook.enabled:
        raise HookDisabledError(f"{hook} is disabled, so nothing is sent to it; enable it first.")
    resource, _, action = PING.partition(".")
    using = database_of(hook)
    event = Event(resource=resource, action=action, object_id=str(hook.pk), snapshot={"name": hook.name}, using=using)
    write([(event, [Subscription(name=hook.subscriber, pattern=PING, phase=Phase.DURABLE)])], using)
    return Callback.objects.using(using).get(event_id=event.id)


def pause(hook: Hook) -> None:
    """Pause a webhook: its callbacks wait."""
    _change(hook, paused=True)


def resume(hook: Hook) -> None:
    """Resume a paused webhook: its waiting callbacks are sent, the oldest first."""
    using = database_of(hook)
    waiting = in_state(Callback.objects.using(using), Status.WAITING).filter(subscriber=hook.subscriber)
    with transaction.atomic(using=using):
        _change(hook, paused=False)
        wake_after_commit(using)
        due = waiting.filter(due_at__lte=moment(using)).order_by("due_at").values_list("pk", flat=True)
        dispatch.dispatch_again_after_commit(list(due[: dispatch.AT_ONCE]), using)


def enable(hook: Hook) -> None:
    """Enable a webhook for events from now on, and reset its circuit breaker."""
    _change(hook, enabled=True, failing_since=None)
    circuit_breaker.reset([hook.subscriber], database_of(hook))


def disable(hook: Hook, because: str = "") -> None:
    """Disable a webhook; a worker cancels its waiting callbacks. `because` is the reason, shown to users."""
    _change(hook, enabled=False, disabled_because=because[:200])


def disable_failing(subscriber: str, because: str) -> None:
    """Disable a webhook whose receiver is gone, or has only failed, and publish `webhooks.hook.disabled`.

    A webhook that is disabled already stays as it is.
    """
    key = hook_of(subscriber)
    enabled = Hook.objects.using(hooks_database()).filter(pk=key, enabled=True)
    try:
        with transaction.atomic(using=hooks_database()):
            if enabled.update(enabled=False, disabled_because=because[:200], failing_since=None):
                if has_subscribers_of_type(DISABLED):
                    hook = Hook.objects.using(hooks_database()).get(pk=key)
                    facts = {"name": str(hook.name), "user": hook.user_id, "host": host_of(hook.target_url)}
                    event = Event(
                        resource=RESOURCE,
                        action=ACTION,
                        object_id=str(key),
                        snapshot=facts | {"because": because},
                        using=hooks_database(),
                    )
                    publish([event], hooks_database())
                logger.warning("%s is disabled: %s", subscriber, because)
    except Refused as error:
        logger.error("%s should be disabled (%s), but %s", subscriber, because, error)


def rotate_secret(hook: Hook, overlap: timedelta | None = None, signature: str = "") -> str:
    """Replace the secret of a webhook. Return the new secret; it is not shown again.

    Until `overlap` has passed (default: HELIOSTAT_SECRET_OVERLAP), the old secret signs too; zero ends it at once.
    `signature` (`v1`, `v1a`) changes the kind of signature; for `v1a`, the receiver needs `hook.public_key`. Raise
    `ValueError` for an unknown signature.
    """
    using, kept_for = database_of(hook), timedelta(seconds=conf.secret_overlap) if overlap is None else overlap
    secret = new_secret(signature or hook.signature)
    with transaction.atomic(using=using):
        # The row's own secret, under a lock: this object may have been read before another rotation.
        row = Hook.objects.using(using).select_for_update().get(pk=hook.pk)
        is_kept = kept_for > timedelta(0)
        hook.set_secret(secret)
        _change(
            hook,
            signature=hook.signature,
            encrypted_secret=hook.encrypted_secret,
            encrypted_previous_secret=row.encrypted_secret if is_kept else "",
            previous_secret_until=timezone.now() + kept_for if is_kept else None,
        )
    return secret


def _change(hook: Hook, **values: Any) -> None:
    """Write these columns only, so that a change of other columns by another process stays."""
    for name, value in values.items():
        setattr(hook, name, value)
    hook.save(using=database_of(hook), update_fields=[*values, "modified"])
