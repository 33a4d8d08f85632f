"""Which apps of Heliostat stand on which others."""

from __future__ import annotations

from django.apps import AppConfig, apps

from heliostat.exceptions import ConfigurationError


def need_the_outbox(app: AppConfig, *others: str) -> None:
    """Raises `ConfigurationError` where the apps that publish, or the others that this one stands on, are missing."""
    missing = [name for name in ("heliostat.outbox", "heliostat.delivery", *others) if not apps.is_installed(name)]
    if missing:
        raise ConfigurationError(f"{app.name} needs {' and '.join(missing)} in INSTALLED_APPS, too.")
