"""Hooks that end by themselves: their receiver is gone, or has only failed for days. Their owners get an e-mail.

That is an event of its own, `webhooks.hook.disabled`, which `@on`, listeners and other hooks may ask for; and an e-mail
to the owner, sent by a worker like every callback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from django.core.mail import send_mail
from django.db import transaction
from django.urls import NoReverseMatch, reverse

from heliostat.conf import conf
from heliostat.delivery.python import PythonKind
from heliostat.events.capture import publish
from heliostat.events.emit import has_subscribers_of_type
from heliostat.events.event import Event, Phase
from heliostat.events.matching import Subscription
from heliostat.exceptions import Refused
from heliostat.text import clean_name
from heliostat.webhooks.databases import hooks_database
from heliostat.webhooks.models import Hook, hook_of
from heliostat.webhooks.targets import host_of

logger = logging.getLogger("heliostat.webhooks")

RESOURCE, ACTION = "webhooks.hook", "disabled"
DISABLED = f"{RESOURCE}.{ACTION}"
MAIL = "notice:mail_to_owner"
TEXT = """\
Your web hook “{name}” is disabled: {because}.

Nothing is sent to {host} any more. When it works again, enable the hook.
What it missed is in its log, and can be sent again from there.

{link}
"""


def disable(subscriber: str, because: str) -> None:
    """Disable a hook and publish the event of it; one that is disabled already stays as it is.

    The next time that it is enabled, whatever was counted against it is forgotten.
    """
    key = hook_of(subscriber)
    enabled = Hook.objects.using(hooks_database()).filter(pk=key, enabled=True)
    try:
        with transaction.atomic(using=hooks_database()):
            if enabled.update(enabled=False, disabled_because=because[:200], failing_since=None):
                _publish_disabled(Hook.objects.using(hooks_database()).get(pk=key), because)
                logger.warning("%s is disabled: %s", subscriber, because)
    except Refused as error:
        logger.error("%s should be disabled (%s), but %s", subscriber, because, error)


def _publish_disabled(hook: Hook, because: str) -> None:
    if has_subscribers_of_type(DISABLED):
        facts = {"name": str(hook.name), "user": hook.user_id, "host": host_of(hook.target_url), "because": because}
        event = Event(resource=RESOURCE, action=ACTION, object_id=str(hook.pk), snapshot=facts, using=hooks_database())
        publish([event], hooks_database())


def notices() -> Iterator[Subscription]:
    """The source for the matcher: the subscriber of disabled hooks, which mails their owners."""
    if conf.mail_owners:
        yield Subscription(
            name=MAIL,
            pattern=DISABLED,
            phase=Phase.DURABLE,
            condition=lambda event: event.snapshot["user"] is not None,
        )


class NoticeKind(PythonKind):
    """The e-mail to the owner of a disabled hook."""

    name = "notice"

    def function(self, subscriber: str) -> Callable[[Event], Any] | None:
        return mail_owner if subscriber == MAIL and conf.mail_owners else None


def mail_owner(event: Event) -> None:
    """Write to the owner, unless they are inactive. Raises where the mail server refuses it; the worker retries."""
    assert event.object_id is not None
    hook = Hook.objects.using(hooks_database()).filter(pk=event.object_id).select_related("user").first()
    owner = hook.user if hook is not None else None
    address = getattr(owner, "email", "")
    if address and getattr(owner, "is_active", True):
        facts = {**event.snapshot, "name": event.snapshot["name"] or event.object_id, "link": _link(event.object_id)}
        subject = clean_name(f"Your web hook “{facts['name']}” is disabled")
        send_mail(subject, TEXT.format_map(facts), None, [address], fail_silently=False)


def _link(key: str) -> str:
    try:
        return conf.site_url.rstrip("/") + reverse("admin:heliostat_webhooks_hook_change", args=[key])
    except NoReverseMatch:  # a project without the admin
        return conf.site_url
