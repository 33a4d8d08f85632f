from __future__ import annotations

from django.apps import AppConfig

from heliostat.installed import need_the_outbox
from heliostat.setting_checks import register_check


class ListenersConfig(AppConfig):
    """Listeners: the setting `EVENT_LISTENERS`."""

    name = "heliostat.listeners"
    label = "heliostat_listeners"
    verbose_name = "Heliostat listeners"

    def import_models(self) -> None:
        need_the_outbox(self)
        super().import_models()

    def ready(self) -> None:
        from heliostat.delivery import kinds
        from heliostat.events.matching import registry
        from heliostat.listeners.chat import ChatKind
        from heliostat.listeners.digest import DigestKind
        from heliostat.listeners.parents import check_parents
        from heliostat.listeners.source import ListenerKind, check_databases, check_listeners, subscriptions

        registry.add("listeners", subscriptions)
        kinds.register(ListenerKind())
        kinds.register(DigestKind())
        kinds.register(ChatKind())
        register_check(check_listeners)
        register_check(check_databases)
        register_check(check_parents)
