from __future__ import annotations

from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules

from heliostat.installed import need_the_outbox
from heliostat.setting_checks import register_check


class HooksConfig(AppConfig):
    """Code hooks: the setting `HOOKS`, and `@on` in each app's `hooks.py`."""

    name = "heliostat.hooks"
    label = "heliostat_hooks"
    verbose_name = "Heliostat code hooks"

    def import_models(self) -> None:
        need_the_outbox(self)
        super().import_models()

    def ready(self) -> None:
        from heliostat.delivery import kinds
        from heliostat.events.matching import registry
        from heliostat.events.types import declare_with
        from heliostat.hooks.attached import CodeKind, subscriptions
        from heliostat.hooks.checks import check_databases, check_decorated, check_hooks, check_points
        from heliostat.hooks.decorator import SOURCE
        from heliostat.hooks.points import event_types

        autodiscover_modules("hook_points", "hooks")
        registry.add(SOURCE, subscriptions)
        kinds.register(CodeKind())
        register_check(check_hooks)
        register_check(check_decorated)
        register_check(check_databases)
        register_check(check_points)
        declare_with(event_types)
