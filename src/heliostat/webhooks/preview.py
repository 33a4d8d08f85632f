"""What a hook would be sent of an event: made as ever, sent to nobody, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from django.db import transaction
from django.db.models import Model
from django.utils import timezone

from heliostat.delivery import request
from heliostat.delivery.request import Destination
from heliostat.delivery.signing import SIGNATURE
from heliostat.events.context import quiet
from heliostat.events.event import Event
from heliostat.events.snapshot import public_key, snapshot
from heliostat.events.types import is_silent, resource_of
from heliostat.outbox.bodies import body_of
from heliostat.outbox.models import message_id
from heliostat.outbox.problems import Problem
from heliostat.webhooks.destinations import destination_of
from heliostat.webhooks.exceptions import InvalidFiltersError
from heliostat.webhooks.filters import compiled
from heliostat.webhooks.models import Hook
from heliostat.webhooks.payloads import made_body

PARTS = ("actions", "changed", "from_to", "all", "any", "not")  # of a filter; what else it says is one comparison


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A request that is not made. `obstacles`: why the hook would not be notified; `error`: why there is no body."""

    event: Event
    obstacles: list[str]
    headers: list[tuple[str, str]]
    body: str
    error: str = ""


def event_about(instance: Model, action: str, changes: Mapping[str, Any], using: str) -> Event:
    """An event as it would be of this object; `changes` gives the old values of what changed."""
    now = snapshot(instance)
    return Event(
        resource=resource_of(type(instance)),
        action=action,
        object_id=public_key(instance, type(instance)),
        snapshot=now,
        changes={name: (old, now.get(name)) for name, old in changes.items()},
        using=using,
        instance=instance,
    )


def preview(hook: Hook, event: Event, *, in_full: bool = False) -> Preview:
    """The request for an event. Whatever the making of a payload writes is undone, and published to nobody.

    `in_full`: show the texts of errors of the site's own code, too, which may hold anything.
    """
    body, error = "", ""
    with quiet(), transaction.atomic(using=event.using):
        try:
            made = made_body(hook, event)
            body = body_of(event) if made is None else made
        except Exception as failure:
            problem = Problem.of(failure)
            error = problem.reason if in_full else problem.shown
        transaction.set_rollback(True, using=event.using)
    destination = destination_of(_with_secret(hook))
    sent = request.body_of(destination, body)
    text = sent.decode()
    obstacles, headers = list(_obstacles(hook, event)), _headers(hook, destination, event, sent)
    return Preview(event=event, obstacles=obstacles, headers=headers, body=text, error=error)


def _with_secret(hook: Hook) -> Hook:
    hook.make_secret()  # of one that was not saved yet; nobody sees it
    return hook


def _headers(hook: Hook, destination: Destination, event: Event, body: bytes) -> list[tuple[str, str]]:
    id_ = message_id(str(event.id), hook.subscriber if hook.pk else "hook:0")
    lines = request.headers_of(destination, id_, int(timezone.now().timestamp()), body)
    pairs = [line.split(": ", 1) for line in lines if ": " in line]
    return [(name, "created at each attempt" if name == SIGNATURE else value) for name, value in pairs]


def _obstacles(hook: Hook, event: Event) -> Iterator[str]:
    if not hook.enabled:
        yield "the hook is disabled"
    if hook.ended:
        yield "the hook ended with its object"
    if hook.expires_at is not None and hook.expires_at <= event.time:
        yield "the hook has expired"
    if is_silent(event.type):
        yield f"HELIOSTAT_SILENT names {event.type}"
    if not any(fnmatchcase(event.type, pattern) for pattern in hook.patterns):
        yield f"its signals leave out {event.type}"
    if hook.object_id and hook.object_id != event.object_id:
        yield f"it is notified of {hook.object_id} only, not of {event.object_id}"
    yield from (f"the filter says otherwise: {part}" for part in _parts_that_fail(hook, event))


def _parts_that_fail(hook: Hook, event: Event) -> Iterator[str]:
    comparison = {name: value for name, value in hook.filters.items() if name not in PARTS}
    parts = [{name: hook.filters[name]} for name in PARTS if name in hook.filters]
    for part in [*parts, *([comparison] if comparison else [])]:
        try:
            holds = compiled(part, hook.patterns)
            if holds is not None and not holds(event):
                yield ", ".join(part)
        except InvalidFiltersError as error:
            yield error.messages[0]
