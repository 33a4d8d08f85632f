from __future__ import annotations

from django.apps import AppConfig


class TargetsConfig(AppConfig):
    """What is observed."""

    name = "heliostat.targets"
    label = "heliostat_targets"
    verbose_name = "Targets"
    default_auto_field = "django.db.models.BigAutoField"
    event_namespace = "targets"
    console_urls = ("targets/", "heliostat.targets.urls")
    console_navigation = (("Targets", "targets:list"),)
    console_panel = "heliostat.targets.panels.recent"

    def ready(self) -> None:
        from django.db.models.signals import post_migrate, post_save, pre_delete, pre_save

        from heliostat.targets.extras import type_from_fixture
        from heliostat.targets.models import Target, TargetExtra, TargetName
        from heliostat.targets.names import FoldedName, give_way_to_fixture, hold_from_fixture
        from heliostat.targets.rights import know_groups
        from heliostat.targets.substrings import ensure_index

        post_migrate.connect(ensure_index, sender=self)
        pre_delete.connect(know_groups, sender=Target)
        post_save.connect(hold_from_fixture, sender=Target)
        post_save.connect(hold_from_fixture, sender=TargetName)
        pre_save.connect(type_from_fixture, sender=TargetExtra)
        pre_save.connect(give_way_to_fixture, sender=FoldedName)
