"""Start capturing: called by the outbox's AppConfig when the project starts."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.core.checks import register
from django.core.signals import setting_changed
from django.db import connections
from django.db.backends.signals import connection_created

from heliostat.conf import Conf, conf
from heliostat.events import bulk, capture, deletions, relations
from heliostat.events.databases import home
from heliostat.events.matching import registry
from heliostat.events.secrets import check_exposed
from heliostat.events.signals import check_signals, listen_to
from heliostat.events.snapshot import forget_fields
from heliostat.events.types import check_namespaces, check_silent
from heliostat.exceptions import ConfigurationError
from heliostat.logs import escape_what_is_logged
from heliostat.setting_checks import check_settings, register_check


def wrap() -> None:
    """Wrap what Django saves and deletes with. Before any model class exists, for packages bind methods of classes."""
    capture.install()
    bulk.install()
    deletions.install()


def install() -> None:
    """Capture saves, deletions, relations and custom signals from now on."""
    register(check_settings)
    for check in (check_namespaces, check_signals, check_silent, check_exposed, capture.check_capture):
        register_check(check)
    escape_what_is_logged()
    registry.on_patterns(relations.connect)
    connection_created.connect(_make_ready, dispatch_uid="heliostat")
    setting_changed.connect(_settings_changed, dispatch_uid="heliostat")
    if Conf.signals.problem(conf.signals) is None:
        with suppress(ConfigurationError):  # the system check says so, with a hint
            listen_to(conf.signals)


def _make_ready(connection: Any, **_: Any) -> None:
    """Load the subscriptions before the first change, which then finds them in memory."""
    if connection.alias not in connections or connections[connection.alias] is not connection:
        return  # one that somebody opened beside this thread's own, which would be opened, too, and never closed
    registry.connected(connection)
    if connection.alias == home():
        registry.matcher  # noqa: B018  makes it


def _settings_changed(**_: Any) -> None:
    forget_fields()
    registry.settings_changed()
