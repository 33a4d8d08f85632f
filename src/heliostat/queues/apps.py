from __future__ import annotations

from django.apps import AppConfig

from heliostat.installed import need_the_outbox
from heliostat.setting_checks import register_check


class QueuesConfig(AppConfig):
    """Message queues: sections of `EVENT_LISTENERS` that use one, and the setting `HELIOSTAT_QUEUES`."""

    name = "heliostat.queues"
    label = "heliostat_queues"
    verbose_name = "Heliostat queues"

    def import_models(self) -> None:
        need_the_outbox(self, "heliostat.listeners")
        super().import_models()

    def ready(self) -> None:
        from heliostat.delivery import kinds
        from heliostat.queues.kind import QueueKind
        from heliostat.queues.named import check_queues

        kinds.register(QueueKind())
        register_check(check_queues)
