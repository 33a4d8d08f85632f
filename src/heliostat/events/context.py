"""Who is acting, in which request, how deep; carried by context variables, so safe with threads and asyncio."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest
from django.utils.functional import LazyObject, empty

from heliostat.conf import conf
from heliostat.events.event import Actor, Event, RequestInfo
from heliostat.events.transactions import own_savepoint
from heliostat.exceptions import EventDepthError

logger = logging.getLogger("heliostat.events")

_request: ContextVar[HttpRequest | None] = ContextVar("heliostat_request", default=None)
_actor: ContextVar[Actor | None] = ContextVar("heliostat_actor", default=None)
_depth: ContextVar[int] = ContextVar("heliostat_depth", default=0)
_quiet: ContextVar[bool] = ContextVar("heliostat_quiet", default=False)


@contextmanager
def during_request(request: HttpRequest) -> Iterator[None]:
    """What happens inside was done in this request, by its user."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def acting_as(user: Any) -> Iterator[None]:
    """Set the actor of the events of a block, in commands and jobs, which have no request."""
    token = _actor.set(actor_of(user))
    try:
        yield
    finally:
        _actor.reset(token)


@contextmanager
def quiet() -> Iterator[None]:
    """Publish no events inside a block."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


@contextmanager
def notifying(event: Event) -> Iterator[None]:
    """A subscriber is being notified of `event`: what it changes in turn happens one level deeper."""
    depth = _depth.set(event.depth + 1)
    actor = _actor.set(event.actor)
    try:
        yield
    finally:
        _actor.reset(actor)
        _depth.reset(depth)


def current_method() -> str | None:
    """Return the method of the request that this is done in; None outside of requests."""
    request = _request.get()
    return request.method if request is not None else None


def is_quiet() -> bool:
    """Return whether nothing is published here."""
    return _quiet.get()


def facts(event_type: str) -> dict[str, Any]:
    """Return `actor`, `request` and `depth` of an event that happens now.

    Raises `EventDepthError` beyond HELIOSTAT_MAX_DEPTH.
    """
    depth = _depth.get()
    if depth > conf.max_depth:
        raise EventDepthError(
            f"{event_type} is event number {depth + 1} in a chain of subscribers whose changes cause each other, and "
            f"HELIOSTAT_MAX_DEPTH allows {conf.max_depth} after the first. Does a subscriber save the object of its "
            "event? Save only when something differs, or save inside heliostat.quiet()."
        )
    request, actor = _request.get(), _actor.get()
    if request is None:
        return {"actor": actor, "request": None, "depth": depth}
    info = RequestInfo(request.META["heliostat.request_id"], request.method or "", request.path)
    return {"actor": actor or _actor_of_request(request), "request": info, "depth": depth}


def _actor_of_request(request: HttpRequest) -> Actor | None:
    """Return the user of a request; None where the host's own code, or its database, cannot say who that is.

    This may look the user up, in the middle of the host's change: a request does so when its user is first used.
    """
    try:
        user = getattr(request, "user", None)
        is_looked_up = isinstance(user, LazyObject) and user._wrapped is empty
        with own_savepoint() if is_looked_up else nullcontext():
            return actor_of(user)
    except Exception as error:
        logger.error(
            "an event of %s %s has no actor: its user cannot be read (%r)", request.method, request.path, error
        )
        return None


def actor_of(user: Any) -> Actor | None:
    """Return a user as an actor; None for a visitor who has not logged in."""
    if user is None or not getattr(user, "is_authenticated", False):
        return None
    name = user.get_username() if hasattr(user, "get_username") else user
    return Actor(str(user.pk), str(name))
