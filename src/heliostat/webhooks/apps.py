from __future__ import annotations

from django.apps import AppConfig

from heliostat.installed import need_the_outbox
from heliostat.setting_checks import register_check


class WebhooksConfig(AppConfig):
    """Webhooks: rows that subscribe to events."""

    name = "heliostat.webhooks"
    label = "heliostat_webhooks"
    verbose_name = "Heliostat webhooks"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        need_the_outbox(self)
        super().import_models()

    def ready(self) -> None:
        from django.core.checks import Tags
        from django.db.models.signals import post_delete, post_migrate, post_save, pre_delete

        from heliostat.delivery import kinds
        from heliostat.events.matching import registry
        from heliostat.events.types import declare_with
        from heliostat.webhooks import changes, permissions, signals, subscriptions
        from heliostat.webhooks.checks import (
            check_allowed_models,
            check_deliverers,
            check_hooks_database,
            check_policy,
            check_saved_hooks,
        )
        from heliostat.webhooks.kind import HookKind, hook_deleted
        from heliostat.webhooks.models import SOURCE, Hook
        from heliostat.webhooks.operations import DISABLED, PING
        from heliostat.webhooks.owner_mail import NoticeKind, notices

        registry.add_live(SOURCE, subscriptions.hooks)
        changes.when_written(subscriptions.hooks.changed)
        subscriptions.remember_databases()
        register_check(check_deliverers)
        register_check(check_allowed_models)
        register_check(check_policy)
        register_check(check_hooks_database)
        register_check(check_saved_hooks, Tags.database)
        declare_with(lambda: {PING: "A test event for one hook.", DISABLED: "A hook was disabled by itself."})
        kinds.register(HookKind())
        kinds.register(NoticeKind())
        registry.add("webhooks.notices", notices)
        permissions.connect()
        signals.hook_event.connect(signals.publish_hook_event, dispatch_uid="heliostat.webhooks")
        receivers = (
            (post_save, subscriptions.hook_saved),
            (pre_delete, subscriptions.hook_to_be_deleted),
            (post_delete, subscriptions.hook_deleted),
        )
        for signal, receiver in receivers:
            signal.connect(receiver, sender=Hook, dispatch_uid="heliostat.webhooks")
        subscriptions.notice_flushes()
        post_migrate.connect(subscriptions.tables_made, sender=self, dispatch_uid="heliostat.webhooks")
        post_delete.connect(hook_deleted, sender=Hook, dispatch_uid="heliostat.webhooks.breaker")
