from __future__ import annotations

from typing import Any

from django.apps import AppConfig

from heliostat.setting_checks import register_check


class OutboxConfig(AppConfig):
    """Events, callbacks and attempts; starts the capture of events."""

    name = "heliostat.outbox"
    label = "heliostat_outbox"
    verbose_name = "Heliostat outbox"
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, app_name: str, app_module: Any) -> None:
        """Django makes the configurations of all apps before it imports the models of any."""
        super().__init__(app_name, app_module)
        from heliostat.events.install import wrap

        wrap()

    def ready(self) -> None:
        from django.core.checks import Tags

        from heliostat.events.dispatch import write_durable_with
        from heliostat.events.install import install
        from heliostat.outbox import checks
        from heliostat.outbox.databases import watch_migrations
        from heliostat.outbox.write import write

        install()
        watch_migrations(self)
        write_durable_with(write)
        register_check(checks.check_driver)
        register_check(checks.check_outboxes)
        register_check(checks.check_sqlite)
        register_check(checks.check_mariadb_isolation)
        register_check(checks.check_mariadb, Tags.database)
