"""Add Heliostat to the apps of whichever project is set up in this process."""

from __future__ import annotations

from functools import wraps
from typing import Any

OURS = ("heliostat.outbox", "heliostat.delivery", "heliostat.hooks", "heliostat.webhooks", "compat_subscriber")
NEEDED = ("django.contrib.contenttypes", "django.contrib.auth")
SETTINGS = {
    # Sessions, log entries and content types, too: whatever is saved is published.
    "HELIOSTAT_SILENT": ["heliostat_outbox.*", "heliostat_webhooks.*"],
}


def prepare(*, heliostat: bool, own_hashers: bool) -> None:
    """Let `django.setup` change the suite's settings first: quick hashes of passwords, and Heliostat's apps."""
    import django
    from django.apps import apps
    from django.conf import settings

    original = django.setup

    @wraps(original)
    def setup(*args: Any, **kwargs: Any) -> None:
        if not own_hashers:
            settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
        if heliostat:
            _add_heliostat(settings)
        original(*args, **kwargs)
        if heliostat:
            _empty_after_tests(apps)

    django.setup = setup


def _add_heliostat(settings: Any) -> None:
    installed = settings.INSTALLED_APPS
    added = [name for name in (*NEEDED, *OURS) if not _holds(installed, name)]
    if isinstance(installed, list):
        installed.extend(added)  # Django's runtests goes on using the same list
    else:
        settings.INSTALLED_APPS = [*installed, *added]
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    _disable_migrations(settings)


def _holds(installed: Any, name: str) -> bool:
    return any(entry == name or entry.startswith(f"{name}.apps.") for entry in installed)


def _disable_migrations(settings: Any) -> None:
    """Where a suite makes the tables of content types without migrations, none can depend on them."""
    modules = settings.MIGRATION_MODULES
    if isinstance(modules, dict) and modules.get("contenttypes", "") is None:
        settings.MIGRATION_MODULES = {**modules, "heliostat_outbox": None, "heliostat_webhooks": None}


def _empty_after_tests(apps: Any) -> None:
    """`TransactionTestCase.available_apps` hides the apps that it does not name, Heliostat's too, so that what a test
    leaves in the outbox would not be flushed."""
    from django.db import connections, transaction
    from django.test import TransactionTestCase

    original = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
    tables = [model._meta.db_table for model in reversed(apps.all_models["heliostat_outbox"].values())]

    def teardown(self: Any) -> None:
        for alias in self._databases_names(include_mirrors=False) if self.available_apps is not None else ():
            there = connections[alias].introspection.table_names()
            with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
                for table in tables:
                    if table in there:
                        cursor.execute(f"DELETE FROM {table}")
        original(self)

    TransactionTestCase._fixture_teardown = teardown  # type: ignore[attr-defined]
