"""The e-mail to the owner of a hook that was disabled because its receiver is gone, or has only failed for days.

It is a subscriber of the event `webhooks.hook.disabled`, to which `@on`, listeners and other hooks may subscribe, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from django.core.mail import send_mail
from django.urls import NoReverseMatch, reverse

from heliostat.conf import conf
from heliostat.delivery.python import PythonKind
from heliostat.events.event import Event, Phase
from heliostat.events.subscriptions import Subscription
from heliostat.text import clean_name
from heliostat.webhooks.models import Hook, hooks_database
from heliostat.webhooks.operations import DISABLED

MAIL = "notice:mail_to_owner"
TEXT = """\
Your webhook “{name}” is disabled: {because}.

Nothing is sent to {host} any more. When it works again, enable the hook.
What it missed is in its log, and can be sent again from there.

{link}
"""


def notices() -> Iterator[Subscription]:
    """Yield the subscription to disabled hooks that mails their owners."""
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
    """Mail the owner, unless they are inactive. Raise where the mail server refuses it; the worker retries."""
    assert event.object_id is not None
    hook = Hook.objects.using(hooks_database()).filter(pk=event.object_id).select_related("user").first()
    owner = hook.user if hook is not None else None
    address = getattr(owner, "email", "")
    if address and getattr(owner, "is_active", True):
        link = conf.site_url
        with suppress(NoReverseMatch):  # a project without the admin
            link = link.rstrip("/") + reverse("admin:heliostat_webhooks_hook_change", args=[event.object_id])
        facts = {**event.snapshot, "name": event.snapshot["name"] or event.object_id, "link": link}
        subject = clean_name(f"Your webhook “{facts['name']}” is disabled")
        send_mail(subject, TEXT.format_map(facts), None, [address], fail_silently=False)
