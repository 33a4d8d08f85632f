"""`run_hook()`: run the code hooks at a hook point of a project's own; and its arguments' way through the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models, transaction

from heliostat.events import context
from heliostat.events.databases import database_of, home
from heliostat.events.event import Event
from heliostat.events.publish import publish
from heliostat.events.snapshot import rebuilt, snapshot
from heliostat.events.types import resource_of
from heliostat.hooks.points import RESOURCE, point_named

MARK = "heliostat.object"


def run_hook(name: str, *args: Any, **kwargs: Any) -> None:
    """Run the functions of a hook point, each in its phase.

    Raise `UnknownHookPoint` if the name is not declared, `TypeError` if the arguments do not match its signature, and
    `Refused` if an `in_transaction` function raised an exception.
    """
    bound = point_named(name).signature.bind(*args, **kwargs)
    bound.apply_defaults()
    if context.is_quiet():
        return
    arguments = bound.arguments
    saved = (one for one in arguments.values() if isinstance(one, models.Model) and one._state.db)
    first = next(saved, None)  # the transaction is in its database
    using = home() if first is None else database_of(first)
    with transaction.atomic(using=using, savepoint=False):
        event = Event(
            resource=RESOURCE,
            action=name,
            arguments={key: packed(value) for key, value in arguments.items()},
            instance=dict(arguments),
            using=using,
            **context.facts(f"{RESOURCE}.{name}"),
        )
        publish([event], using)


def packed(value: Any) -> Any:
    """Return an argument as the outbox stores it: an object as its snapshot, everything else as it is."""
    if isinstance(value, models.Model):
        return {MARK: resource_of(type(value)), "fields": snapshot(value)}
    if isinstance(value, (list, tuple, set, models.QuerySet)):
        return [packed(item) for item in value]
    return value


def unpacked(value: Any, using: str) -> Any:
    """Return the argument that `packed()` stored."""
    if isinstance(value, dict) and MARK in value:
        return rebuilt(value[MARK], value["fields"], using)
    if isinstance(value, list):
        return [unpacked(item, using) for item in value]
    return value


def live_arguments(event: Event) -> Mapping[str, Any]:
    """Return the arguments of `run_hook`: the very same in its own process, rebuilt in a worker."""
    if event.instance is not None:
        return event.instance  # type: ignore[no-any-return]
    return {name: unpacked(value, event.using) for name, value in event.arguments.items()}
