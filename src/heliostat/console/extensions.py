"""URLs, navigation entries and dashboard panels of installed apps, read from attributes of their AppConfigs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.http import HttpRequest
from django.urls import include, path
from django.urls.resolvers import URLResolver
from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the navigation. It is highlighted on all pages of its URL namespace."""

    label: str
    url_name: str

    @property
    def namespace(self) -> str:
        return self.url_name.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a panel."""

    text: str
    url: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the dashboard: the newest of something, and where the rest is."""

    title: str
    url: str
    empty: str
    rows: list[Row] = field(default_factory=list)


def offered(attribute: str) -> Iterator[Any]:
    """Yield the values of an attribute of the installed apps' configurations, in the order of INSTALLED_APPS."""
    for config in apps.get_app_configs():
        value = getattr(config, attribute, None)
        if value is not None:
            yield value


def urls() -> list[URLResolver]:
    """Return the URL patterns of all apps that set `console_urls = ("prefix/", "path.of.urls")`."""
    return [path(prefix, include(module)) for prefix, module in offered("console_urls")]


def navigation() -> list[Entry]:
    """Return the entries of the navigation: apps set `console_navigation = (("Targets", "targets:list"),)`."""
    return [Entry(*entry) for entries in offered("console_navigation") for entry in entries]


def panels(request: HttpRequest) -> list[Panel]:
    """Return the panels of the dashboard: each app's `console_panel` is the path of a function of the request."""
    return [import_string(function)(request) for function in offered("console_panel")]
