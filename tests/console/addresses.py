"""Every address of the project, as its resolver knows them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from django.urls import URLResolver, get_resolver
from django.utils.regex_helper import normalize

Name = TypeVar("Name")
Value = TypeVar("Value")
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


def spread(names: Iterable[Name], values: Sequence[Value], each: int) -> Iterator[tuple[Name, Value]]:
    """Each name with a few of the values, others for each: all with all would take minutes."""
    for number, name in enumerate(names):
        for step in range(each):
            yield name, values[(number * each + step) % len(values)]
