"""An e-mail for each event, or one for the events of some minutes, by Django's own mail settings.

Settings: `recipients` (list or text) and `group` (name of a Django group, whose active users get it, of objects with
permissions of their own those who may view the object), `from` (default:
DEFAULT_FROM_EMAIL), `subject` and `text` (templates, see `heliostat.listeners.texts`), `digest_minutes`, and for
digests `digest_subject` (may name `{count}`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from email.utils import parseaddr
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage

from heliostat.events.event import Event
from heliostat.events.types import model_of
from heliostat.exceptions import ConfigurationError
from heliostat.listeners.base import ListenerBase, ListenerEvent
from heliostat.listeners.config import Config, aslist
from heliostat.listeners.digest import Digest
from heliostat.listeners.texts import check_template, facts_of, fill
from heliostat.permissions import by_object, has_permission
from heliostat.text import clean_name

logger = logging.getLogger("heliostat.listeners")

SUBJECT = "{resource_name} {object_name}: {action}"
TEXT = "{resource_name} {objects}: {action}\n\n{changes}\nBy: {user_id}\nSee: {link}\nEvent: {event_id}\n"
DIGEST_SUBJECT = "{count} changes"
LISTED = 200  # changes in the text of a digest

Write = Callable[[Sequence[ListenerEvent]], tuple[str, str]]
"""Makes the subject and the text of an e-mail about these events."""


class Letters(NamedTuple):
    """What all e-mails of a section have in common. A line break in an object's name adds no header and no line."""

    recipients: list[str]
    group: str
    sender: str | None
    subject: str
    text: str

    def send(self, events: Sequence[ListenerEvent], write: Write) -> None:
        """Send what `write` makes of the events: to all in one e-mail, but for members of the group who may not view
        all of them. Raise what the mail server, or the database that holds the group, raises."""
        addresses: dict[tuple[ListenerEvent, ...], list[str]] = {tuple(events): list(self.recipients)}
        members = self._members()
        if not members and not self.recipients:
            logger.warning("an e-mail is not sent: the group %r has no active user with an e-mail address", self.group)
        for member, address in members:
            seen = tuple(event for event in events if all(_may_view(member, one) for one in event.events))
            addresses.setdefault(seen, []).append(address)
        for seen, to in addresses.items():
            if seen and to:
                subject, text = write(seen)
                EmailMessage(clean_name(subject), text, self.sender, list(dict.fromkeys(to))).send(fail_silently=False)

    def _members(self) -> list[tuple[Any, str]]:
        if not self.group:
            return []
        users = get_user_model()._default_manager.filter(groups__name=self.group, is_active=True).order_by("pk")
        field = get_user_model().get_email_field_name()
        return [(user, address) for user in users if (address := getattr(user, field, ""))]


def _may_view(user: Any, event: Event) -> bool:
    """Return whether a user may view the object of an event, where its model says that this decides."""
    model = model_of(event.resource)
    return model is None or not by_object(model) or has_permission(user, "view", model, event.instance)


class EmailListener(ListenerBase):
    """Sends an e-mail of plain text for each event."""

    def __init__(self, letters: Letters) -> None:
        self.letters = letters

    def __call__(self, event: ListenerEvent) -> None:
        self.letters.send([event], self._write)

    def _write(self, events: Sequence[ListenerEvent]) -> tuple[str, str]:
        facts = facts_of(events[0])
        return fill(self.letters.subject, facts), fill(self.letters.text, facts)


class EmailDigest(Digest):
    """Sends one e-mail for the events of some minutes, with the subject and the link of each."""

    def __init__(self, letters: Letters, minutes: float, subject: str) -> None:
        self.letters = letters
        self.minutes = minutes
        self.subject = subject

    def send(self, events: Sequence[ListenerEvent]) -> None:
        self.letters.send(events, self._write)

    def _write(self, events: Sequence[ListenerEvent]) -> tuple[str, str]:
        entries = []
        for event in events[:LISTED]:
            facts = facts_of(event)
            entries.append(f"{clean_name(fill(self.letters.subject, facts))}\n  {facts['link']}")
        if (more := len(events) - LISTED) > 0:
            entries.append(f"… and {more} more.")
        return self.subject.format(count=len(events)), "\n".join(entries) + "\n"


def load_from_config(config: Config, prefix: str = "") -> EmailListener | EmailDigest:
    """Return the e-mail listener with these settings. Raise `ConfigurationError` if they are not valid."""
    settings = config.get_settings()
    recipients, group = _addresses(settings.get(prefix + "recipients", [])), str(settings.get(prefix + "group", ""))
    if not recipients and not group:
        raise ConfigurationError("`recipients` is empty, and there is no `group`: nobody would get an e-mail.")
    letters = Letters(
        recipients,
        group,
        settings.get(prefix + "from"),
        check_template(settings.get(prefix + "subject", SUBJECT), settings, prefix),
        check_template(settings.get(prefix + "text", TEXT), settings, prefix),
    )
    given: Any = settings.get(prefix + "digest_minutes")
    if given is None:
        return EmailListener(letters)
    try:
        minutes = float(given)
    except (TypeError, ValueError):
        minutes = 0.0
    if not 0 < minutes <= 7 * 24 * 60:
        raise ConfigurationError(f"`digest_minutes` is {given!r}; give minutes, at most those of a week.")
    subject = settings.get(prefix + "digest_subject", DIGEST_SUBJECT)
    try:
        subject.format(count=1)
    except (AttributeError, LookupError, ValueError) as error:
        raise ConfigurationError(f"`digest_subject` {subject!r} may name {{count}} only ({error}).") from error
    return EmailDigest(letters, minutes, subject)


def _addresses(given: Any) -> list[str]:
    """Return the recipients: those of a list, or of a text with blanks or commas between them."""
    if not isinstance(given, (str, list, tuple, set, frozenset)):
        raise ConfigurationError(f"`recipients` is {given!r}, not a list of addresses.")
    addresses = given.split(",") if isinstance(given, str) and "<" in given else aslist(given)
    found = [one.strip() for one in addresses if one.strip()]
    for address in found:
        if "@" not in parseaddr(address)[1]:
            raise ConfigurationError(f"`recipients` has {address!r}, which is no e-mail address.")
    return found
