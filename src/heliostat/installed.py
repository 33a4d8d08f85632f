"""Which apps of Heliostat stand on which others."""

from __future__ import annotations

from django.apps import AppConfig, apps

from heliostat.exceptions import ConfigurationError


def need_the_outbox(app: AppConfig) -> None:
    """Raises `ConfigurationError` where those are not installed without which nobody is told by this app."""
    missing = [name for name in ("heliostat.outbox", "heliostat.delivery") if not apps.is_installed(name)]
    if missing:
        raise ConfigurationError(f"{app.name} needs {' and '.join(missing)} in INSTALLED_APPS, too.")
