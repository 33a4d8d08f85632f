from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.core.checks.registry import registry


class RightsConfig(AppConfig):
    """Who may view, change, delete and share targets, observations and data."""

    name = "heliostat.rights"
    label = "heliostat_rights"
    verbose_name = "Rights"
    default_auto_field = "django.db.models.BigAutoField"
    event_namespace = "rights"
    console_urls = ("groups/", "heliostat.rights.urls")
    console_navigation = (("Groups", "groups:list"),)

    def ready(self) -> None:
        from guardian.checks import check_settings as check_guardian

        from heliostat.rights.checks import check_backend

        register(check_backend)
        # Ours asks the rows of django-guardian, too; it warns where its own backend is not in the settings.
        registry.registered_checks.discard(check_guardian)
