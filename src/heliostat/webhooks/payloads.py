"""What a hook is sent: rendered when it happens, inside the transaction of the change.

In this order: an explicit payload (`emit(..., payload=)`), the hook's `payload_template`, its `serializer_class`, what
the model says itself (`get_static_payload()`, `get_dynamic_payload(hook)`), the event's default body.

A template, serializer or method that fails does not undo the change, and nothing else is sent in its place: the
callback is an error, with the reason.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from heliostat.conf import conf
from heliostat.events.context import notifying
from heliostat.events.event import Event
from heliostat.events.secrets import without_secrets_of_event
from heliostat.events.transactions import own_savepoint
from heliostat.outbox.bodies import body_of
from heliostat.outbox.problems import CannotRender
from heliostat.outbox.rendering import default_body, is_rendering, memory_of, rendering
from heliostat.webhooks.content_types import Kind, kind_of
from heliostat.webhooks.deliverers.base import dumped, dumping_class
from heliostat.webhooks.exceptions import InvalidPayloadError
from heliostat.webhooks.models import Hook
from heliostat.webhooks.redacting import without_secrets
from heliostat.webhooks.serializers import serializer_at
from heliostat.webhooks.templates import LONGEST_BODY, compiled, without_nul
from heliostat.webhooks.viewer import Viewer

logger = logging.getLogger("heliostat.webhooks")

STATIC, DYNAMIC = "get_static_payload", "get_dynamic_payload"
SPENT = "bytes rendered for owners"
TOO_MUCH = (
    "The hooks of one owner are sent at most {:,} bytes of one event (HELIOSTAT_RENDER_LIMIT), and the hooks before "
    "this one took them: send less, or use fewer hooks."
)


def body_for(hook: Hook, event: Event) -> str | None:
    """Return the body of this hook for an event, or None where it is the event's own.

    Raises, and logs, whatever the template, serializer or method of the model raises; `InvalidPayloadError` where the
    hooks of its owner have taken more bytes of this event than HELIOSTAT_RENDER_LIMIT allows.
    """
    try:
        body = made_body(hook, event)
        if body is not None:
            _spend(hook, event, len(body) if body.isascii() else len(body.encode()))
    except Exception:
        logger.exception(
            "hook %s: its payload for %s %s (event %s) could not be made; it is not sent",
            hook.pk,
            event.type,
            event.object_id,
            event.id,
        )
        raise
    return body


def made_body(hook: Hook, event: Event) -> str | None:
    """The same for a single hook; nothing is counted or logged."""
    if not is_rendering():
        with rendering():
            return made_body(hook, event)
    maker = _from_caller if event.payload is not None else _maker(hook, event)
    if maker is None:
        return None
    with notifying(event), own_savepoint():
        return maker(hook, event)


def _viewer(hook: Hook, event: Event) -> Viewer:
    """The viewer of what a hook is sent. A hook that code made is the site's, unless it says otherwise."""
    return Viewer(event, hook.user_id, is_asked=hook.user_id is not None and hook.enforce_permissions)


def _maker(hook: Hook, event: Event) -> Callable[[Hook, Event], str | None] | None:
    if hook.payload_template:
        return _from_template
    if event.instance is not None and (maker := _maker_of_instance(hook, event)) is not None:
        return maker
    if dumping_class() is not None or (event.arguments and _viewer(hook, event).hides(event.arguments)):
        return _default
    return None


def _maker_of_instance(hook: Hook, event: Event) -> Callable[[Hook, Event], str] | None:
    if hook.serializer_class:
        return _from_serializer
    says_itself = hasattr(event.instance, STATIC) or hasattr(event.instance, DYNAMIC)
    return _from_model if says_itself else None


def _default(hook: Hook, event: Event) -> str:
    viewer = _viewer(hook, event)
    if viewer.hides(event.arguments):
        body = body_of(replace(event, arguments=viewer.shown(event.arguments)))
    else:
        made, problem = default_body(event)
        if problem is not None:
            raise CannotRender(problem)
        body = made or ""
    return without_nul(dumped(msgspec.json.decode(body), event.type))


def _from_caller(hook: Hook, event: Event) -> str:
    payload = _viewer(hook, event).shown(event.payload)
    return _written(without_secrets_of_event(event.resource, "payload", payload), hook, event)


def _from_template(hook: Hook, event: Event) -> str:
    template = compiled(hook.payload_template, hook.content_type)
    viewer, left = _viewer(hook, event), _bytes_left(hook, event)
    if left >= LONGEST_BODY:
        return template.render(event, viewer)
    return template.render(event, viewer, left, TOO_MUCH.format(conf.render_limit))


def _from_serializer(hook: Hook, event: Event) -> str:
    fields = serializer_at(hook.serializer_class).to_representation(event.instance)
    return _written(without_secrets(fields, event.instance, event.using), hook, event)


def _from_model(hook: Hook, event: Event) -> str:
    payload = _static_payload(event)
    if (dynamic := getattr(event.instance, DYNAMIC, None)) is not None:
        payload = _merged(payload, dynamic(_with_action(hook, event.action)))
    return _written(without_secrets(payload, event.instance, event.using), hook, event)


def _merged(static: Any, dynamic: Any) -> Any:
    """Both, where a model has both: what is said for this hook goes over what is said for all."""
    both_are_objects = isinstance(static, Mapping) and isinstance(dynamic, Mapping)
    return {**static, **dynamic} if both_are_objects else dynamic


def _with_action(hook: Hook, action: str) -> Hook:
    """A copy: hooks are shared by threads."""
    copied = copy.copy(hook)
    copied.action = action
    return copied


def _written(payload: Any, hook: Hook, event: Event) -> str:
    if isinstance(payload, str) and kind_of(hook.content_type) is not Kind.JSON:
        return without_nul(payload)
    return without_nul(dumped(payload, f"the payload of {event.type}"))


def _static_payload(event: Event) -> Any:
    """What `get_static_payload()` gives. It is called once for an event, however many hooks; so it fails once, too."""
    known = memory_of(event)
    if STATIC not in known:
        known[STATIC] = _called(getattr(event.instance, STATIC, None))
    payload, failure = known[STATIC]
    if failure is not None:
        raise failure
    return payload


def _called(method: Callable[[], Any] | None) -> tuple[Any, Exception | None]:
    try:
        with own_savepoint():
            return (method() if method is not None else None), None
    except Exception as error:
        return None, error


def _bytes_left(hook: Hook, event: Event) -> int:
    """Return how many bytes of this event the hooks of this owner may still be sent."""
    spent = memory_of(event).setdefault(SPENT, {})
    return int(max(0, conf.render_limit - spent.get(hook.user_id, 0)))


def _spend(hook: Hook, event: Event, size: int) -> None:
    if size > _bytes_left(hook, event):
        raise InvalidPayloadError(TOO_MUCH.format(conf.render_limit))
    spent = memory_of(event).setdefault(SPENT, {})
    spent[hook.user_id] = spent.get(hook.user_id, 0) + size
