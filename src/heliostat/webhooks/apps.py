from __future__ import annotations

from django.apps import AppConfig

from heliostat.installed import need_the_outbox


class WebhooksConfig(AppConfig):
    """Web hooks: rows that ask to know."""

    name = "heliostat.webhooks"
    label = "heliostat_webhooks"
    verbose_name = "Heliostat web hooks"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        need_the_outbox(self)
        super().import_models()

    def ready(self) -> None:
        from django.core.checks import Tags, register
        from django.db.models.signals import post_delete, post_migrate, post_save, pre_delete

        from heliostat.delivery.destinations import resolve_with
        from heliostat.delivery.http import HttpTransport
        from heliostat.delivery.observers import observe
        from heliostat.delivery.python import find_with
        from heliostat.delivery.throttle import limit_with
        from heliostat.delivery.transport import register_transport
        from heliostat.events.matching import registry
        from heliostat.events.types import declare_with
        from heliostat.outbox.handover import hand_over
        from heliostat.webhooks import changes, live, owners, signals, subscriptions, watching
        from heliostat.webhooks.care import PING
        from heliostat.webhooks.checks import (
            check_allowed_models,
            check_deliverers,
            check_policy,
            check_saved_hooks,
        )
        from heliostat.webhooks.databases import check_hooks_database
        from heliostat.webhooks.deliverers import configured, overrides
        from heliostat.webhooks.disabling import DISABLED, NOTICE, notice, notices
        from heliostat.webhooks.models import SOURCE, Hook
        from heliostat.webhooks.standing import HookOwner, hook_deleted

        registry.add_live(SOURCE, subscriptions.hooks)
        changes.when_written(subscriptions.hooks.changed)
        watching.remember_databases()
        register_transport("hook", HttpTransport)
        resolve_with("hook", live.destinations)
        hand_over("hook", configured.taker)
        observe("hook", overrides.answered)
        register(check_deliverers)
        register(check_allowed_models)
        register(check_policy)
        register(check_hooks_database)
        register(check_saved_hooks, Tags.database)
        declare_with(lambda: {PING: "A test event for one hook.", DISABLED: "A hook was disabled by itself."})
        limit_with("hook", HookOwner())
        registry.add("webhooks.notices", notices)
        find_with(NOTICE, notice)
        owners.connect()
        signals.hook_event.connect(signals.tell, dispatch_uid="heliostat.webhooks")
        receivers = (
            (post_save, subscriptions.hook_saved),
            (pre_delete, subscriptions.hook_to_be_deleted),
            (post_delete, subscriptions.hook_deleted),
        )
        for signal, receiver in receivers:
            signal.connect(receiver, sender=Hook, dispatch_uid="heliostat.webhooks")
        post_migrate.connect(subscriptions.tables_made, sender=self, dispatch_uid="heliostat.webhooks")
        post_delete.connect(hook_deleted, sender=Hook, dispatch_uid="heliostat.webhooks.gate")
