"""`run_hook()`: run the code hooks at a hook point of a project's own."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction

from heliostat.events import context
from heliostat.events.capture import publish
from heliostat.events.databases import database_of, home
from heliostat.events.event import Event
from heliostat.hooks.points import RESOURCE, point_named
from heliostat.hooks.values import packed


def run_hook(name: str, *args: Any, **kwargs: Any) -> None:
    """Run the functions of a hook point, each in its phase.

    Raise `UnknownHookPoint` if the name is not declared, `TypeError` if the arguments do not match its signature, and
    `Refused` if an `in_transaction` function raised an exception.
    """
    point = point_named(name)
    bound = point.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    if context.is_quiet():
        return
    using = _database_of(bound.arguments)
    with transaction.atomic(using=using, savepoint=False):
        publish([_event(name, bound.arguments, using)], using)


def _event(name: str, arguments: dict[str, Any], using: str) -> Event:
    return Event(
        resource=RESOURCE,
        action=name,
        arguments={key: packed(value) for key, value in arguments.items()},
        instance=dict(arguments),
        using=using,
        actor=context.current_actor(),
        request=context.current_request(),
        depth=context.current_depth(f"{RESOURCE}.{name}"),
    )


def _database_of(arguments: dict[str, Any]) -> str:
    """The database of the first object among the arguments: there its transaction is."""
    for value in arguments.values():
        if isinstance(value, models.Model) and value._state.db:
            return database_of(value)
    return home()
