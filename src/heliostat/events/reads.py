"""Reads: events that say who read which objects, for subscribers that name the action `read`."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Model

from heliostat.events.context import current_method
from heliostat.events.databases import database_of
from heliostat.events.dispatch import dispatch
from heliostat.events.publish import build_event, has_subscribers_of_type, real_object
from heliostat.events.snapshot import snapshot
from heliostat.events.transactions import one_transaction, ours
from heliostat.events.types import READ, resource_of


def publish_read(objects: Model | Iterable[Model]) -> None:
    """Publish that an object, or each object of a page of a list, was read.

    Call it where a view answers a GET request with them; in any other request it does nothing. It costs a dictionary
    look-up where nobody subscribes to reads of such objects. What is no object of a model, such as a row of
    `values()`, is left out.
    """
    if current_method() not in (None, "GET"):
        return
    objects = real_object(objects)
    by_database: dict[str, list[Model]] = {}
    for one in [objects] if isinstance(objects, Model) else objects:
        if isinstance(one, Model) and has_subscribers_of_type(f"{resource_of(type(one))}.{READ}"):
            by_database.setdefault(database_of(one), []).append(one)
    for using, found in by_database.items():
        events = [build_event(READ, one, using, snapshot=snapshot(one)) for one in found]
        with one_transaction(using), ours(using):
            dispatch(events, using, is_batch=True)
