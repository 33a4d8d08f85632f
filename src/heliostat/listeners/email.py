"""An e-mail for each event, by Django's own mail settings. Use it as `heliostat.listeners.email`.

Settings: `recipients` (list or text), `from` (default: DEFAULT_FROM_EMAIL), `subject` and `text` with the names of
the event's payload in braces, for example `"{resource_name} {action}"`.
"""

from __future__ import annotations

from typing import Any

from django.core.mail import send_mail

from heliostat.conf import conf
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.base import ListenerBase, ListenerEvent
from heliostat.listeners.config import Config, aslist
from heliostat.text import clean_name

SUBJECT = "{resource_name} {object_name}: {action}"
TEXT = "{resource_name} {object_name}: {action}\n\nBy: {user_id}\nSee: {link}\nEvent: {event_id}\n"


class EmailListener(ListenerBase):
    """Sends plain text; a line break or hidden character in an object's name adds no header, line or other order."""

    def __init__(self, recipients: list[str], sender: str | None, subject: str, text: str) -> None:
        self.recipients = recipients
        self.sender = sender
        self.subject = subject
        self.text = text

    def __call__(self, event: ListenerEvent) -> None:
        facts = self.facts(event)
        subject = clean_name(self.subject.format_map(facts))
        send_mail(subject, self.text.format_map(facts), self.sender, self.recipients, fail_silently=False)

    def facts(self, event: ListenerEvent) -> dict[str, Any]:
        payload = event.payload
        name = clean_name(event.event.text or event.event.object_id or "")
        return {**payload, "object_name": name, "link": conf.site_url.rstrip("/") + payload["uri"]}


def load_from_config(config: Config, prefix: str = "") -> EmailListener:
    """Return the e-mail listener with these settings. Raise `ConfigurationError` if they are not valid."""
    settings = config.get_settings()
    recipients = aslist(settings[prefix + "recipients"])
    if not recipients:
        raise ConfigurationError("`recipients` is empty")
    listener = EmailListener(
        recipients,
        settings.get(prefix + "from"),
        settings.get(prefix + "subject", SUBJECT),
        settings.get(prefix + "text", TEXT),
    )
    _check_names(listener)
    return listener


def _check_names(listener: EmailListener) -> None:
    names = (
        "action",
        "resource_name",
        "app_name",
        "uri",
        "user_id",
        "timestamp",
        "event_id",
        "object_name",
        "link",
    )
    facts = dict.fromkeys(names, "")
    for template in (listener.subject, listener.text):
        try:
            template.format_map(facts)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise ConfigurationError(
                f"{template!r} cannot be filled in ({error}); it may name {', '.join(names)}"
            ) from error
