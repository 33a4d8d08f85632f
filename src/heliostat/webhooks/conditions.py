"""What must hold for a hook to be notified of an event: its relations, its expiry and its filters."""

from __future__ import annotations

import logging

from heliostat.conf import conf
from heliostat.events.event import Event
from heliostat.webhooks.event_patterns import of_relations_alone
from heliostat.webhooks.exceptions import InvalidFiltersError
from heliostat.webhooks.filters import Condition, compiled, model_of_patterns
from heliostat.webhooks.models import Hook

logger = logging.getLogger("heliostat.webhooks")


def condition_for(hook: Hook) -> Condition | None:
    """What must hold for a hook to be notified of an event of its types; None where it is notified of all.

    Filters that cannot be read any more (a field was removed), or that fail, keep nothing from the hook: a receiver can
    recognise what it did not ask for, but not what it never got. That is logged.
    """
    conditions: list[Condition] = []
    if of_relations_alone(hook.signals) and (model := model_of_patterns(hook.patterns)) is not None:
        many = frozenset(field.name for field in model._meta.many_to_many)
        conditions.append(lambda event: not many.isdisjoint(event.changes))
    if (end := hook.expires_at) is not None:
        conditions.append(lambda event: event.time < end)
    if (filters := _still_readable(hook)) is not None:
        conditions.append(_never_failing(filters, hook))
    if not conditions:
        return None
    if len(conditions) == 1:
        return conditions[0]
    return lambda event: all(condition(event) for condition in conditions)


def _still_readable(hook: Hook) -> Condition | None:
    try:
        return compiled(hook.filters, hook.patterns, is_saved=True)
    except InvalidFiltersError as error:
        logger.error(
            "hook %s: its filters cannot be read, and it is notified of everything: %s", hook.pk, error.messages[0]
        )
        return None


def _never_failing(condition: Condition, hook: Hook) -> Condition:
    def holds(event: Event) -> bool:
        try:
            return condition(event)
        except Exception:
            if conf.hooks_raise_exceptions:
                raise
            logger.exception(
                "hook %s: its filters failed for %s %s (event %s), and it is notified of it",
                hook.pk,
                event.type,
                event.object_id,
                event.id,
            )
            return True

    return holds
