"""Every address of the project, as its resolver knows them."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import URLResolver, get_resolver
from django.utils.regex_helper import normalize

OTHERS = ("admin/auth/", "admin/authtoken/", "admin/django_tasks", "admin/jsi18n", "admin/password_change", "logout")
"""Pages of Django and of others."""


def addresses(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each address of the project as a template (`targets/%(pk)s/edit/`), and the names in it."""
    for one in (resolver or get_resolver()).url_patterns:
        for text, names in normalize(one.pattern.regex.pattern):
            if isinstance(one, URLResolver):
                yield from ((more, [*names, *inner]) for more, inner in addresses(one, prefix + text))
            elif not any(other in prefix + text for other in OTHERS):
                yield prefix + text, names
