"""Links from a callback to its subscriber."""

from __future__ import annotations

from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.safestring import SafeString

from heliostat.outbox.kinds import kind_of


def subscriber_link(subscriber: str) -> SafeString | str:
    """Return the subscriber, as a link where it has a page."""
    kind = kind_of(subscriber)
    try:
        address = "" if kind is None else kind.admin_url(subscriber)
    except NoReverseMatch:  # a project without the admin
        return subscriber
    return format_html('<a href="{}">{}</a>', address, subscriber) if address else subscriber
