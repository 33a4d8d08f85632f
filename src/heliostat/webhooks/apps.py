from __future__ import annotations

from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    """Web hooks: rows that ask to know."""

    name = "heliostat.webhooks"
    label = "heliostat_webhooks"
    verbose_name = "Heliostat web hooks"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.db.models.signals import post_delete, post_save

        from heliostat.delivery.destinations import resolve_with
        from heliostat.delivery.http import HttpTransport
        from heliostat.delivery.transport import register_transport
        from heliostat.events.matching import registry
        from heliostat.webhooks import live, signals
        from heliostat.webhooks.models import Hook

        registry.add(live.SOURCE, live.subscriptions)
        register_transport("hook", HttpTransport)
        resolve_with("hook", live.destinations, gone=live.receiver_gone)
        signals.hook_event.connect(signals.tell, dispatch_uid="heliostat.webhooks")
        for signal in (post_save, post_delete):
            signal.connect(live.hooks_changed, sender=Hook, dispatch_uid="heliostat.webhooks")
