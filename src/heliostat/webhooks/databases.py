"""In which database hooks live."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.contenttypes.models import ContentType
from django.core.checks import CheckMessage, Error
from django.db import router
from django.db.models import Model

from heliostat.events.databases import written_in
from heliostat.outbox.database_checks import may_have_outbox, router_errors
from heliostat.webhooks.models import Hook


def hooks_database() -> str:
    """Return the alias of the database that the routers name for hooks. All of them are in this one."""
    return written_in(Hook)


def check_hooks_database(**_: object) -> list[CheckMessage]:
    """Report hooks that are kept apart from users and content types, which they refer to, or from an outbox."""
    if errors := router_errors(Hook):
        return errors
    alias = hooks_database()
    if not may_have_outbox(alias):
        text = f"The routers send hooks to the database {alias!r}, which has no outbox."
        hint = "Let allow_migrate() accept the app 'heliostat_outbox' there, or route 'heliostat_webhooks' elsewhere."
        return [Error(text, hint=hint, id="heliostat.E062")]
    beside: tuple[tuple[type[Model], bool], ...] = (
        (get_user_model(), router.db_for_write(get_user_model()) == alias),
        (ContentType, router.allow_migrate_model(alias, ContentType)),  # each database has its own rows
    )
    return [
        Error(
            f"The routers send hooks to the database {alias!r}, and {model._meta.label} to {other!r}: "
            "hooks refer to it by a foreign key, which cannot lead to another database.",
            hint=f"Route the app 'heliostat_webhooks' to the database {other!r}, too.",
            id="heliostat.E063",
        )
        for model, is_beside in beside
        if not is_beside and (other := router.db_for_write(model))
    ]
