"""Links from a callback to whom it tells: whoever owns the subscribers of a kind says where their page is."""

from __future__ import annotations

from collections.abc import Callable

from django.urls import NoReverseMatch
from django.utils.html import format_html
from django.utils.safestring import SafeString

_pages: dict[str, Callable[[str], str]] = {}


def link_with(kind: str, page: Callable[[str], str]) -> None:
    """Where the page of a subscriber of this kind is, by its identifier: `link_with("hook", lambda id: f"/{id}/")`."""
    _pages[kind] = page


def subscriber_link(subscriber: str) -> SafeString | str:
    """The subscriber, as a link where it has a page."""
    kind, _, identifier = subscriber.partition(":")
    try:
        return format_html('<a href="{}">{}</a>', _pages[kind](identifier), subscriber)
    except (KeyError, NoReverseMatch):
        return subscriber
